//! How a delivery ends, and which end results if several of its files had errors.

use std::time::Duration;

use domain::{Code, Explanation, PutBack, Refusal};

use super::explain;
use crate::error::{Error, Kind};
use crate::ports::Written;

/// The end of a delivery.
#[derive(Debug)]
pub enum DeliveryEnd {
    /// Every file is settled.
    Finished,
    /// The job is put back and delivered again later.
    PutBack { cause: PutBack, explanation: Option<Explanation> },
    /// Another worker has the job, or it was cancelled.
    Lost(Refusal),
    /// A store or the network failed.
    Fault(Error),
    /// The engine does not support the language of the remaining segments.
    Language { wanted: String },
}

/// Why one file could not be completed.
#[derive(Debug)]
pub enum FileError {
    /// Another worker has the job, or it was cancelled.
    Lost(Refusal),
    /// A store or the network failed.
    Fault(Error),
    /// This file cannot be read at the moment; others may be readable.
    File(Error),
    /// Segments of this file failed; other files of the delivery may succeed.
    Segments { retry_after: Option<Duration> },
    /// The engine does not answer, and no further file is begun. `proven` means that the built-in sample has proven it.
    /// Otherwise an answer to another file of the delivery still proves the opposite.
    Engine { retry_after: Option<Duration>, proven: bool },
    /// The engine does not support the language of this file.
    Language { wanted: String },
    /// The job yields its permit to another user; pending answers are stored.
    YieldToOthers,
}

impl From<Error> for FileError {
    fn from(error: Error) -> Self {
        FileError::Fault(error)
    }
}

/// The cause with which an error puts a job back. The job waits for a service that is unavailable, too busy or configured
/// wrongly. Any other error counts as an attempt, because it may concern this job alone.
pub fn cause(error: &Error) -> PutBack {
    let retry_after = error.retry_after;
    match error.kind {
        Kind::Unavailable | Kind::Unknown | Kind::Throttled | Kind::Full | Kind::Misconfigured => {
            PutBack::Storage { retry_after }
        }
        Kind::NotFound | Kind::Conflict | Kind::Corrupt | Kind::Invalid => {
            PutBack::Fault { code: Code::Internal, retry_after }
        }
    }
}

impl From<PutBack> for DeliveryEnd {
    fn from(cause: PutBack) -> Self {
        DeliveryEnd::PutBack { cause, explanation: None }
    }
}

/// The result of a write; a fenced write ends the delivery.
pub fn unfenced<T>(written: Written<T>) -> Result<T, FileError> {
    match written {
        Written::Done(value) => Ok(value),
        Written::Fenced(why) => Err(FileError::Lost(why)),
    }
}

/// The errors of a delivery's files that do not keep the other files from being completed.
#[derive(Default)]
pub struct FileErrors {
    /// The fault of the first file in order, whichever file failed first.
    fault: Option<(usize, PutBack, Option<Explanation>)>,
    engine: Option<(Option<Duration>, bool)>,
    wanted: Option<String>,
    yield_to_others: bool,
}

impl FileErrors {
    /// Adds the error of a file. `Some` ends the delivery at once, and all work that is still running is dropped.
    pub fn add(&mut self, index: usize, error: FileError) -> Option<DeliveryEnd> {
        match error {
            FileError::File(error) => {
                self.fault(index, cause(&error), Some(explain::port_error(&error)));
            }
            FileError::Segments { retry_after } => {
                self.fault(index, PutBack::Fault { code: Code::TranscriptionFailed, retry_after }, None);
            }
            FileError::Engine { retry_after, proven } => {
                let (longest, is_proven) = self.engine.unwrap_or_default();
                self.engine = Some((longest.max(retry_after), is_proven || proven));
            }
            FileError::Language { wanted } => self.wanted = self.wanted.take().or(Some(wanted)),
            FileError::YieldToOthers => self.yield_to_others = true,
            FileError::Lost(why) => return Some(DeliveryEnd::Lost(why)),
            FileError::Fault(error) => return Some(DeliveryEnd::Fault(error)),
        }
        None
    }

    fn fault(&mut self, index: usize, fault: PutBack, explanation: Option<Explanation>) {
        if self.fault.as_ref().is_none_or(|(first, ..)| index < *first) {
            self.fault = Some((index, fault, explanation));
        }
    }

    /// The end of the delivery after all files have been processed as far as possible.
    pub fn end(self, any_answered: bool) -> DeliveryEnd {
        match (self.engine, self.fault, self.wanted) {
            (Some((retry_after, proven)), _, _) if proven || !any_answered => PutBack::Engine { retry_after }.into(),
            (_, Some((_, cause, explanation)), _) => DeliveryEnd::PutBack { cause, explanation },
            (Some((retry_after, _)), None, _) => PutBack::Fault { code: Code::TranscriptionFailed, retry_after }.into(),
            (None, None, _) if self.yield_to_others => PutBack::YieldToOthers.into(),
            (None, None, Some(wanted)) => DeliveryEnd::Language { wanted },
            (None, None, None) => DeliveryEnd::Finished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Option<Duration> = Some(Duration::from_secs(60));

    fn end(file_errors: Vec<(usize, FileError)>, any_answered: bool) -> String {
        let mut errors = FileErrors::default();
        for (index, error) in file_errors {
            assert!(errors.add(index, error).is_none());
        }
        format!("{:?}", errors.end(any_answered))
    }

    fn engine(proven: bool) -> FileError {
        FileError::Engine { retry_after: LATER, proven }
    }

    fn unreadable() -> FileError {
        FileError::File(Error::new(Kind::Unavailable, "blobs.read", ""))
    }

    #[test]
    fn only_errors_that_may_concern_the_job_alone_count_as_attempts() {
        let of = |kind| cause(&Error::new(kind, "blobs.read", ""));
        for kind in [Kind::Unavailable, Kind::Unknown, Kind::Throttled, Kind::Full, Kind::Misconfigured] {
            assert_eq!(of(kind), PutBack::Storage { retry_after: None });
        }
        for kind in [Kind::Corrupt, Kind::Invalid, Kind::NotFound, Kind::Conflict] {
            assert_eq!(of(kind), PutBack::Fault { code: Code::Internal, retry_after: None });
        }
    }

    #[test]
    fn order_in_which_files_end_changes_nothing() {
        let segments = || FileError::Segments { retry_after: None };
        let one = end(vec![(0, unreadable()), (1, segments())], true);
        assert_eq!(one, end(vec![(1, segments()), (0, unreadable())], true));
        assert!(one.contains("Storage"), "{one}");
    }

    #[test]
    fn engine_that_answered_another_file_is_not_down() {
        for (proven, answered, waits) in [(false, false, true), (false, true, false), (true, true, true)] {
            let ended =
                end(vec![(0, engine(proven)), (1, FileError::Engine { retry_after: None, proven: false })], answered);
            assert_eq!(ended.contains("Engine"), waits, "{ended}");
            assert!(ended.contains("60s"), "the provider's wish is kept: {ended}");
        }
    }

    #[test]
    fn engine_down_outweighs_a_fault_and_a_fault_outweighs_a_missing_language() {
        let language = || FileError::Language { wanted: "es".into() };
        assert!(end(vec![(0, unreadable()), (1, engine(false))], false).contains("Engine"));
        assert!(end(vec![(0, language()), (1, unreadable())], true).contains("Storage"));
        let yields = end(vec![(0, language()), (1, FileError::YieldToOthers)], true);
        assert_eq!(yields, "PutBack { cause: YieldToOthers, explanation: None }");
        assert!(end(vec![(0, FileError::YieldToOthers), (1, unreadable())], true).contains("Storage"));
        assert_eq!(end(vec![(0, language())], true), r#"Language { wanted: "es" }"#);
        assert_eq!(end(vec![], true), "Finished");
    }
}
