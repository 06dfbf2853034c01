//! How a delivery ends, and what it comes to when several of its files met trouble.

use std::time::Duration;

use domain::{Code, PutBack, Refusal};

use crate::error::Error;
use crate::ports::Written;

/// The end of a delivery.
#[derive(Debug)]
pub enum End {
    /// Every file is settled.
    Finished,
    /// The job comes back later.
    PutBack(PutBack),
    /// Another worker has the job, or it was cancelled.
    Lost(Refusal),
    /// A store or the network failed.
    Fault(Error),
    /// The engine does not speak the language of what is left.
    Language { wanted: String },
}

/// Why one file did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// Another worker has the job, or it was cancelled.
    Lost(Refusal),
    /// A store or the network failed.
    Fault(Error),
    /// One file cannot be read at the moment; the others can.
    File(Error),
    /// Segments of one file failed; others of the delivery may go through.
    Segments { retry_after: Option<Duration> },
    /// The engine does not answer; no file is begun any more. `sure`: the built-in clip has shown it. Otherwise an answer
    /// to another file of the delivery still proves the opposite.
    Engine { retry_after: Option<Duration>, sure: bool },
    /// The engine does not speak the language of this one.
    Language { wanted: String },
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Fault(error)
    }
}

/// A write that was fenced ends the delivery.
pub fn unfenced<T>(written: Written<T>) -> Result<T, Stop> {
    match written {
        Written::Done(value) => Ok(value),
        Written::Fenced(why) => Err(Stop::Lost(why)),
    }
}

/// What the files of a delivery met that does not keep the others from their end.
#[derive(Default)]
pub struct Troubles {
    /// Of the first file, in their order, whoever was at it first.
    fault: Option<(usize, PutBack)>,
    engine: Option<(Option<Duration>, bool)>,
    wanted: Option<String>,
}

impl Troubles {
    /// `Some`: this ends the delivery at once, and whatever else is running is dropped.
    pub fn meet(&mut self, index: usize, stop: Stop) -> Option<End> {
        match stop {
            Stop::File(error) => {
                self.fault(index, PutBack::Fault { code: Code::Internal, retry_after: error.retry_after });
            }
            Stop::Segments { retry_after } => {
                self.fault(index, PutBack::Fault { code: Code::TranscriptionFailed, retry_after });
            }
            Stop::Engine { retry_after, sure } => {
                let (longest, surely) = self.engine.unwrap_or_default();
                self.engine = Some((longest.max(retry_after), surely || sure));
            }
            Stop::Language { wanted } => self.wanted = self.wanted.take().or(Some(wanted)),
            Stop::Lost(why) => return Some(End::Lost(why)),
            Stop::Fault(error) => return Some(End::Fault(error)),
        }
        None
    }

    fn fault(&mut self, index: usize, fault: PutBack) {
        if self.fault.as_ref().is_none_or(|(first, _)| index < *first) {
            self.fault = Some((index, fault));
        }
    }

    /// What the delivery comes to, now that its files have come as far as they could.
    pub fn end(self, any_answered: bool) -> End {
        match (self.engine, self.fault, self.wanted) {
            (Some((retry_after, sure)), _, _) if sure || !any_answered => End::PutBack(PutBack::Engine { retry_after }),
            (_, Some((_, fault)), _) => End::PutBack(fault),
            (Some((retry_after, _)), None, _) => {
                End::PutBack(PutBack::Fault { code: Code::TranscriptionFailed, retry_after })
            }
            (None, None, Some(wanted)) => End::Language { wanted },
            (None, None, None) => End::Finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const LATER: Option<Duration> = Some(Duration::from_secs(60));

    fn end(stops: Vec<(usize, Stop)>, any_answered: bool) -> String {
        let mut troubles = Troubles::default();
        for (index, stop) in stops {
            assert!(troubles.meet(index, stop).is_none());
        }
        format!("{:?}", troubles.end(any_answered))
    }

    fn engine(sure: bool) -> Stop {
        Stop::Engine { retry_after: LATER, sure }
    }

    fn unreadable() -> Stop {
        Stop::File(Error::new(Kind::Unavailable, "blobs.read", ""))
    }

    #[test]
    fn the_order_in_which_files_end_changes_nothing() {
        let segments = || Stop::Segments { retry_after: None };
        let one = end(vec![(0, unreadable()), (1, segments())], true);
        assert_eq!(one, end(vec![(1, segments()), (0, unreadable())], true));
        assert!(one.contains("Internal"), "{one}");
    }

    #[test]
    fn an_engine_that_answered_another_file_is_not_down() {
        for (sure, answered, waits) in [(false, false, true), (false, true, false), (true, true, true)] {
            let stop = end(vec![(0, engine(sure)), (1, Stop::Engine { retry_after: None, sure: false })], answered);
            assert_eq!(stop.contains("Engine"), waits, "{stop}");
            assert!(stop.contains("60s"), "the provider's wish is kept: {stop}");
        }
    }

    #[test]
    fn an_engine_that_is_down_outweighs_a_fault_and_a_fault_a_missing_language() {
        let language = || Stop::Language { wanted: "es".into() };
        assert!(end(vec![(0, unreadable()), (1, engine(false))], false).contains("Engine"));
        assert!(end(vec![(0, language()), (1, unreadable())], true).contains("Internal"));
        assert_eq!(end(vec![(0, language())], true), r#"Language { wanted: "es" }"#);
        assert_eq!(end(vec![], true), "Finished");
    }
}
