//! One call of the speech engine: asked twice at most, and what its answer means.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::Segment;
use domain::line::{Utterance, Word};
use speech::{Audio, EngineError, Hints, Retry, Transcript};

use super::delivery::Delivery;

/// The pause before a call that failed is made again.
const SECOND_TRY: Duration = Duration::from_millis(500);

/// How a segment's call ended.
#[derive(Debug)]
pub enum Call {
    Said(Said),
    /// Nothing, twice.
    Nothing,
    /// The engine calls the audio itself invalid.
    Refused,
    /// It failed twice; another segment may go through.
    Failed,
    /// The engine wants to be left alone, or is not set up: no segment will go through now.
    Down {
        retry_after: Option<Duration>,
    },
}

#[derive(Debug)]
pub struct Said {
    pub language: Option<String>,
    pub utterances: Vec<Utterance>,
}

impl Call {
    pub fn engine_is_down(&self) -> bool {
        matches!(self, Call::Down { .. })
    }

    pub fn retry_after(&self) -> Option<Duration> {
        if let Call::Down { retry_after } = self { *retry_after } else { None }
    }

    /// Of two troubles the one that says more.
    pub fn worse(self, other: Option<Call>) -> Call {
        match other {
            Some(other) if other.retry_after() >= self.retry_after() && other.engine_is_down() => other,
            _ => self,
        }
    }
}

impl Delivery<'_> {
    /// Asks the engine for one segment. An empty answer on what voice detection called speech is asked once more, and so
    /// is a call that failed in passing.
    pub async fn ask(&self, segment: Segment, samples: Vec<f32>, language: Option<&str>) -> (Segment, Call) {
        let first = self.call(&samples, language).await;
        let call = match first {
            Call::Nothing => self.call(&samples, language).await,
            Call::Failed => {
                self.world.clock.sleep(SECOND_TRY).await;
                self.call(&samples, language).await
            }
            other => other,
        };
        (segment, call)
    }

    pub async fn call(&self, samples: &[f32], language: Option<&str>) -> Call {
        let hints = Hints { language: language.map(str::to_owned) };
        match self.engine.transcribe(Audio::new(samples), &hints).await {
            Ok(transcript) => {
                self.answered();
                if transcript.is_empty() { Call::Nothing } else { Call::Said(said(transcript)) }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &EngineError) -> Call {
        tracing::warn!(job_id = %self.job.id, engine = self.engine.name(), %error, "a call of the speech engine failed");
        match error.retry {
            Retry::Refused => {
                // A judgement about the audio: the engine itself works.
                self.answered();
                Call::Refused
            }
            Retry::Transient => Call::Failed,
            Retry::Later { after } => Call::Down { retry_after: after },
            Retry::Misconfigured => Call::Down { retry_after: None },
        }
    }

    fn answered(&self) {
        self.calls_answered.fetch_add(1, Ordering::Relaxed);
        self.worker.circuit.succeeded();
    }

    /// Whether the engine answered any call of this delivery.
    pub fn any_answered(&self) -> bool {
        self.calls_answered.load(Ordering::Relaxed) > 0
    }
}

fn said(transcript: Transcript) -> Said {
    let utterance = |line: speech::Utterance| Utterance {
        start_ms: line.start_ms,
        end_ms: line.end_ms,
        text: line.text,
        speaker: line.speaker,
        words: line.words.map(|words| words.into_iter().map(word).collect()),
    };
    Said { language: transcript.language, utterances: transcript.lines.into_iter().map(utterance).collect() }
}

fn word(word: speech::Word) -> Word {
    Word { start_ms: word.start_ms, end_ms: word.end_ms, text: word.text }
}
