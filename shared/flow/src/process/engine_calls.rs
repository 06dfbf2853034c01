//! The calls of the speech engine for one delivery. A call is repeated once if it failed, and once if it returned no text; its
//! result says what to do next.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio::Cut;
use domain::line::{Utterance, Word};
use domain::{Explanation, JobId, Segment, Timestamp};
use speech::{Audio, Capabilities, Engine, EngineError, Frames, Hints, RetryClass, Transcript};
use tokio_util::sync::CancellationToken;

use super::call_length::SAMPLE_CALL;
use super::engine_probe::EngineProbe;
use super::explain;
use crate::circuit::LONGEST_WISH;
use crate::services::Services;

/// The pause before a failed call is repeated.
const SECOND_TRY: Duration = Duration::from_millis(500);

/// The result of the engine calls for one segment.
#[derive(Debug)]
pub enum CallResult {
    Transcribed(Transcribed),
    /// The engine returned no text, twice.
    Empty,
    /// The engine refused the audio as invalid.
    Refused,
    /// The call failed twice; calls for other segments may succeed.
    Failed,
    /// The engine asks for a pause, or is configured wrongly: no call will succeed now.
    Down {
        retry_after: Option<Duration>,
    },
}

#[derive(Debug)]
pub struct Transcribed {
    pub language: Option<String>,
    pub utterances: Vec<Utterance>,
}

impl CallResult {
    pub fn engine_is_down(&self) -> bool {
        matches!(self, CallResult::Down { .. })
    }

    pub fn retry_after(&self) -> Option<Duration> {
        if let CallResult::Down { retry_after } = self { *retry_after } else { None }
    }

    /// Of two failures the more informative one.
    pub fn worse(self, other: Option<CallResult>) -> CallResult {
        match other {
            Some(other) if other.retry_after() >= self.retry_after() && other.engine_is_down() => other,
            _ => self,
        }
    }
}

pub struct EngineCalls<'w> {
    services: &'w Services,
    engine: Arc<dyn Engine>,
    job_id: JobId,
    /// When the delivery has to end.
    ends_at: Timestamp,
    answered: AtomicU32,
    probe: EngineProbe,
    /// Why a call failed last.
    failure: Mutex<Option<Explanation>>,
    /// Cancelled when the engine does not answer. From then on it is not called any more.
    pub is_down: CancellationToken,
}

impl<'w> EngineCalls<'w> {
    /// `engine` has to be the one for calls of the job's user.
    pub fn new(services: &'w Services, engine: Arc<dyn Engine>, job_id: JobId, ends_at: Timestamp) -> Self {
        let (answered, probe, is_down) = (AtomicU32::new(0), EngineProbe::default(), CancellationToken::new());
        Self { services, engine, job_id, ends_at, answered, probe, failure: Mutex::default(), is_down }
    }

    pub fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }

    /// Calls the engine for one segment. A call that failed temporarily is repeated once, if there is time for it. So is a
    /// call, even a repeated one, that returned no text, because voice detection found speech in the segment.
    pub async fn ask(&self, segment: Segment, cut: Cut, language: Option<&str>) -> (Segment, CallResult) {
        let (audio, begun) = (audio_of(&cut), self.services.now());
        let mut call = self.call(audio, language).await;
        if matches!(call, CallResult::Failed) && self.has_time_for_second_try(begun) {
            self.services.clock.sleep(SECOND_TRY).await;
            call = self.call(audio, language).await;
        }
        if let CallResult::Empty = call {
            call = self.call(audio, language).await;
        }
        (segment, call)
    }

    /// Whether a second call that fails as slowly as the first one, and the call with the built-in sample that follows it,
    /// end before the delivery does. A delivery that is cut off would not know that the engine has failed, and would count
    /// as an attempt of the job.
    fn has_time_for_second_try(&self, begun: Timestamp) -> bool {
        let took = begun.until(self.services.now());
        let needed = SECOND_TRY + took + took.min(SAMPLE_CALL);
        needed <= self.services.now().until(self.ends_at)
    }

    async fn call(&self, audio: Audio<'_>, language: Option<&str>) -> CallResult {
        let hints = Hints { language: language.map(str::to_owned) };
        match self.engine.transcribe(audio, &hints).await {
            Ok(transcript) if !transcript.fits(audio.duration) => {
                // Nobody can have said that much, and it would fit into no document.
                self.failed(&EngineError::new(RetryClass::Transient, "the answer is longer than anybody can speak"))
            }
            Ok(transcript) => {
                self.note_answer();
                if transcript.is_empty() { CallResult::Empty } else { CallResult::Transcribed(transcribed(transcript)) }
            }
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &EngineError) -> CallResult {
        let (job_id, engine) = (self.job_id, self.engine.name());
        // A wrong setting does not pass by itself: an operator has to know.
        if error.retry == RetryClass::Misconfigured && self.is_time_for_an_alarm() {
            tracing::error!(
                %job_id, engine, %error,
                remedy = "correct the settings of [engine] that the error is about, and start again",
                "the speech engine is not set up right; jobs wait until it is"
            );
        } else {
            tracing::warn!(%job_id, engine, %error, "a call of the speech engine failed");
        }
        // A refusal concerns the audio of one call. It keeps no job waiting.
        if error.retry != RetryClass::Refused {
            self.note_failure(explain::engine_error(error));
        }
        match error.retry {
            RetryClass::Refused => {
                // The engine judged the audio, so that the engine itself works.
                self.note_answer();
                CallResult::Refused
            }
            RetryClass::Transient => CallResult::Failed,
            // A provider that asks for days gets no call for an hour, as with the circuit.
            RetryClass::Later { after } => CallResult::Down { retry_after: after.map(|wish| wish.min(LONGEST_WISH)) },
            RetryClass::Misconfigured => CallResult::Down { retry_after: None },
        }
    }

    fn note_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.services.instance.circuit.succeeded();
    }

    /// Whether the engine returns text for the built-in sample in a call that is made now. Files that ask at the same time
    /// share the result.
    pub async fn proven_to_answer(&self) -> bool {
        self.probe.answer_after_now(self.ask_with_sample()).await
    }

    async fn ask_with_sample(&self) -> bool {
        let clip = audio::sample_samples();
        let (job_id, engine) = (self.job_id, self.engine.name());
        match self.call(Audio::new(&clip), None).await {
            CallResult::Transcribed(_) => return true,
            CallResult::Empty => {
                self.note_failure(explain::silent_engine());
                if self.is_time_for_an_alarm() {
                    tracing::error!(
                        %job_id, engine,
                        remedy = "send the engine a recording yourself: it may have lost its model, or get the wrong format",
                        "the speech engine returns no text even for the built-in sample; jobs wait for it"
                    );
                } else {
                    tracing::warn!(%job_id, engine, "the speech engine still returns no text for the built-in sample");
                }
            }
            refused_or_failed => {
                if let CallResult::Refused = refused_or_failed {
                    self.note_failure(explain::refused_sample());
                }
                let explanation = self.explanation();
                let error = explanation.as_ref().map(Explanation::for_operator).unwrap_or_default();
                if self.is_time_for_an_alarm() {
                    tracing::error!(
                        %job_id, engine, error,
                        remedy = "start the engine's server, or correct its address and key in [engine]",
                        "the call of the speech engine with the built-in sample failed too; jobs wait for it"
                    );
                } else {
                    tracing::warn!(%job_id, engine, error, "the speech engine still fails with the built-in sample");
                }
            }
        }
        false
    }

    /// Whether an error about the engine may be logged: at most one a minute, for all jobs of the instance.
    fn is_time_for_an_alarm(&self) -> bool {
        self.services.instance.engine_alarm.is_time(self.services.now())
    }

    fn note_failure(&self, explanation: Explanation) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(explanation);
    }

    /// Why a call of this delivery failed last.
    pub fn explanation(&self) -> Option<Explanation> {
        // The explanation is written as a whole, so that it stays valid after a panic elsewhere.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the engine answered any call of this delivery.
    pub fn any_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed) > 0
    }
}

fn audio_of(cut: &Cut) -> Audio<'_> {
    match cut {
        Cut::Samples(samples) => Audio::new(samples),
        Cut::Packets(cut) => Audio::opus(Frames { packets: &cut.packets, lead: cut.lead }, cut.duration),
    }
}

fn transcribed(transcript: Transcript) -> Transcribed {
    let utterance = |line: speech::Utterance| Utterance {
        start_ms: line.start_ms,
        end_ms: line.end_ms,
        text: line.text,
        speaker: line.speaker,
        words: line.words.map(|words| words.into_iter().map(word).collect()),
    };
    Transcribed { language: transcript.language, utterances: transcript.lines.into_iter().map(utterance).collect() }
}

fn word(word: speech::Word) -> Word {
    Word { start_ms: word.start_ms, end_ms: word.end_ms, text: word.text }
}
