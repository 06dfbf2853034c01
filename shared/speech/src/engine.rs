//! The trait of speech engines, with their input, output and errors.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// The sample rate of all audio that engines are given, in Hz.
pub const SAMPLE_RATE: u32 = 16_000;

/// How much longer than its audio a call of an engine may take. After that it counts as failed.
pub const CALL_ALLOWANCE: Duration = Duration::from_secs(30);

/// A stretch of speech with the silence around it, which is the input of one call.
#[derive(Clone, Copy)]
pub struct Audio<'a> {
    /// Mono, 16 kHz, within -1 and 1. Empty where `frames` hold the audio.
    pub samples: &'a [f32],
    pub duration: Duration,
    /// The audio as it was recorded, only if it is Opus and the engine accepts Opus ([`Capabilities::opus`]).
    pub frames: Option<Frames<'a>>,
}

/// Consecutive Opus packets. The first byte of a packet gives its duration (RFC 6716, 3.1).
#[derive(Clone, Copy)]
pub struct Frames<'a> {
    pub packets: &'a [Vec<u8>],
    /// How long before the start of the audio the first packet begins. This lead is not part of the audio.
    pub lead: Duration,
}

impl<'a> Audio<'a> {
    pub fn new(samples: &'a [f32]) -> Self {
        let micros = samples.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
        Self { samples, duration: Duration::from_micros(micros), frames: None }
    }

    /// Audio as Opus packets, without samples.
    pub fn opus(frames: Frames<'a>, duration: Duration) -> Self {
        Self { samples: &[], duration, frames: Some(frames) }
    }

    /// The duration rounded up, so that a time at the very end does not exceed it.
    pub fn duration_ms(&self) -> u32 {
        u32::try_from(self.duration.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Audio<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audio").field("duration", &self.duration).finish_non_exhaustive()
    }
}

/// What is known about the audio beforehand. An engine may ignore it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// BCP 47, as the client sent it.
    pub language: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Languages {
    English,
    Any,
    /// BCP 47 primary subtags, in lower case: `en`, `de`.
    List(Vec<String>),
}

/// Tags that name no single language: several languages, an unknown one, or what apps send to leave it open.
const NO_SINGLE_LANGUAGE: [&str; 4] = ["mul", "multi", "und", "auto"];

impl Languages {
    /// Whether a recording with this hint may be given to the engine. `en-GB` counts as English. A hint that names no single
    /// language is accepted by every engine.
    pub fn include(&self, hint: &str) -> bool {
        let primary = primary_subtag(hint);
        match self {
            Self::Any => true,
            _ if NO_SINGLE_LANGUAGE.contains(&primary.as_str()) => true,
            Self::English => primary == "en",
            Self::List(list) => list.contains(&primary),
        }
    }
}

/// The language of a tag without its region, in lower case: `en` for `en-GB`.
pub fn primary_subtag(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase()
}

/// What an engine can do, and how it is best called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The maximum length of planned segments.
    pub preferred_span: Duration,
    /// The longest audio of one call. A [`SplittingEngine`](crate::SplittingEngine) cuts longer segments, because a plan
    /// survives a change of the engine.
    pub max_span: Duration,
    /// The number of calls that may run at the same time.
    pub concurrency: usize,
    /// Whether transcripts have the times of words.
    pub words: bool,
    /// Whether transcripts distinguish speakers.
    pub speakers: bool,
    pub languages: Languages,
    /// Whether the engine accepts recorded Opus packets instead of samples.
    pub opus: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub start_ms: u32,
    pub end_ms: u32,
    pub text: String,
}

/// What one speaker said without interruption. Times count from the start of the audio, including its leading silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    pub start_ms: u32,
    pub end_ms: u32,
    pub text: String,
    pub speaker: Option<String>,
    pub words: Option<Vec<Word>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The detected or hinted language; BCP 47.
    pub language: Option<String>,
    pub lines: Vec<Utterance>,
}

/// The maximum size of a transcript for each second of audio. It is four times the size of fast speech with the times of
/// words, and small enough that ten minutes fit into one document of any store.
const MAX_BYTES_PER_SECOND: u64 = 1_000;
/// An allowance for very short segments, added to every maximum.
const BASE_BYTES: u64 = 16 * 1024;
/// The size of an utterance or a word without its text.
const OVERHEAD_BYTES: usize = 48;

impl Transcript {
    /// Whether the transcript has no more text than anybody can speak in that time. More text cannot be correct.
    pub fn fits(&self, length: Duration) -> bool {
        self.size() as u64 <= BASE_BYTES + MAX_BYTES_PER_SECOND.saturating_mul(length.as_secs())
    }

    /// The size in memory and in documents, roughly.
    pub fn size(&self) -> usize {
        let words =
            |line: &Utterance| line.words.iter().flatten().map(|word| word.text.len() + OVERHEAD_BYTES).sum::<usize>();
        let line = |line: &Utterance| {
            line.text.len() + line.speaker.as_ref().map_or(0, String::len) + OVERHEAD_BYTES + words(line)
        };
        self.lines.iter().map(line).sum()
    }

    /// Whether no line has anything but white space.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.text.trim().is_empty())
    }
}

/// Whether and when the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryClass {
    /// The call may succeed soon: the connection failed, timed out, or the engine had a fault or gave a malformed answer.
    Transient,
    /// The engine will never accept this audio.
    Refused,
    /// The engine is overloaded; `after` is the wait that it asked for, if any.
    Later { after: Option<Duration> },
    /// The key, the address or the model is wrong: the operator has to act.
    Misconfigured,
}

/// Why there is no transcript. `detail` is for the log and never contains a key or spoken text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EngineError {
    pub retry: RetryClass,
    pub detail: String,
    /// The HTTP status with which a provider answered.
    pub status: Option<u16>,
}

impl EngineError {
    pub fn new(retry: RetryClass, detail: impl Into<String>) -> Self {
        Self { retry, detail: detail.into(), status: None }
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

/// A speech engine. Metrics, limits on calls and circuit breakers are engines that wrap another one.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The name in the settings and in metrics.
    fn name(&self) -> &str;

    fn capabilities(&self) -> Capabilities;

    /// Makes one attempt. The future may be dropped at any time. A malformed answer is an error, never an empty transcript.
    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError>;

    /// Whether a call could succeed now. It is cheap, because health checks use it. An engine that is still starting, such
    /// as one whose model is being loaded, returns any class but [`RetryClass::Misconfigured`]; its calls wait meanwhile, as long
    /// as the engine decides.
    async fn ready(&self) -> Result<(), EngineError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcript_of_white_space_is_empty() {
        let line = |text: &str| Utterance { start_ms: 0, end_ms: 1, text: text.into(), speaker: None, words: None };
        let transcript = |texts: &[&str]| Transcript { language: None, lines: texts.iter().map(|t| line(t)).collect() };
        assert!(transcript(&[]).is_empty());
        assert!(transcript(&["", " \n"]).is_empty());
        assert!(!transcript(&["", "yes"]).is_empty());
    }

    #[test]
    fn transcript_with_more_than_can_be_spoken_does_not_fit() {
        let word = Word { start_ms: 0, end_ms: 1, text: "supercalifragilistic".into() };
        let spoken = |words: usize, text: &str| {
            let (text, words) = (text.to_owned(), Some(vec![word.clone(); words]));
            Transcript { language: None, lines: vec![Utterance { start_ms: 0, end_ms: 1, text, speaker: None, words }] }
        };
        let minutes = Duration::from_secs(600);
        assert!(spoken(3_000, &"word ".repeat(3_000)).fits(minutes));
        assert!(spoken(200, "").fits(Duration::from_millis(300)));
        assert!(!spoken(0, &"word ".repeat(130_000)).fits(minutes));
        assert!(!spoken(10_000, "").fits(minutes));
    }

    #[test]
    fn region_of_a_language_counts_as_the_language() {
        assert!(Languages::English.include("en-GB"));
        assert!(Languages::English.include("EN"));
        assert!(!Languages::English.include("de"));
        assert!(Languages::List(vec!["de".into()]).include("de_AT"));
        assert!(Languages::Any.include("gsw"));
    }

    #[test]
    fn hint_without_single_language_is_accepted_by_every_engine() {
        for hint in ["mul", "und", "multi", "auto", "und-Latn"] {
            assert!(Languages::English.include(hint) && Languages::List(vec![]).include(hint), "{hint}");
        }
    }

    #[test]
    fn duration_follows_from_the_number_of_samples() {
        assert_eq!(Audio::new(&[0.0; 16_000]).duration, Duration::from_secs(1));
        assert_eq!(Audio::new(&[0.0; 17]).duration_ms(), 2);
    }
}
