//! What a speech engine is: what it is given, what it answers, and how it fails.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Samples a second of everything that an engine is given.
pub const SAMPLE_RATE: u32 = 16_000;

/// A stretch of speech, with the silence around it.
#[derive(Clone, Copy)]
pub struct Audio<'a> {
    /// Mono, 16 kHz, within -1 and 1. Empty where `frames` hold the audio.
    pub samples: &'a [f32],
    pub duration: Duration,
    /// The audio as it was recorded: only for engines that take it ([`Capabilities::opus`]), and only where it is Opus.
    pub frames: Option<Frames<'a>>,
}

/// Opus packets one after the other; how long each lasts stands in its first byte (RFC 6716, 3.1).
#[derive(Clone, Copy)]
pub struct Frames<'a> {
    pub packets: &'a [Vec<u8>],
    /// How long before the audio the first packet begins. What is heard in it is no part of the audio.
    pub lead: Duration,
}

impl<'a> Audio<'a> {
    pub fn new(samples: &'a [f32]) -> Self {
        let micros = samples.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE);
        Self { samples, duration: Duration::from_micros(micros), frames: None }
    }

    /// Audio that was not decoded.
    pub fn opus(frames: Frames<'a>, duration: Duration) -> Self {
        Self { samples: &[], duration, frames: Some(frames) }
    }

    /// Rounded up, so that a time at the very end is not behind it.
    pub fn duration_ms(&self) -> u32 {
        u32::try_from(self.duration.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for Audio<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audio").field("duration", &self.duration).finish_non_exhaustive()
    }
}

/// What is known beforehand. An engine may use it or not.
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

/// Tags that name no one language: several, not known, and what apps send when they leave it open.
const NO_ONE_LANGUAGE: [&str; 4] = ["mul", "multi", "und", "auto"];

impl Languages {
    /// Whether a recording with this hint may be given to the engine. `en-GB` is English. A hint that names no one
    /// language keeps a recording from no engine.
    pub fn include(&self, hint: &str) -> bool {
        let primary = hint.split(['-', '_']).next().unwrap_or(hint).to_ascii_lowercase();
        match self {
            Self::Any => true,
            _ if NO_ONE_LANGUAGE.contains(&primary.as_str()) => true,
            Self::English => primary == "en",
            Self::List(list) => list.contains(&primary),
        }
    }
}

/// What an engine can do and how it likes to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Segments are made at most this long.
    pub preferred_span: Duration,
    /// Longer audio the engine cuts by itself: a plan survives a change of engine.
    pub max_span: Duration,
    /// Calls that may run at the same time.
    pub concurrency: usize,
    /// Whether it says when each word was spoken.
    pub words: bool,
    /// Whether it tells speakers apart.
    pub speakers: bool,
    pub languages: Languages,
    /// Whether it takes Opus packets as they were recorded, instead of samples.
    pub opus: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub start_ms: u32,
    pub end_ms: u32,
    pub text: String,
}

/// What one speaker said in one go. Times count from the start of the audio, its leading silence included.
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
    /// What the engine heard, or was told; BCP 47.
    pub language: Option<String>,
    pub lines: Vec<Utterance>,
}

/// What a transcript may take, in memory and where it is stored: four times what fast speech takes with the times of its
/// words, and so little that ten minutes of it fit into one document of any store.
const MOST_BYTES_A_SECOND: u64 = 1_000;
/// A second of audio may be a short segment's all.
const MOST_BYTES_OF_NOTHING: u64 = 16 * 1024;
/// An utterance, or a word, beside its text.
const FRAME: usize = 48;

impl Transcript {
    /// No more than anybody can say in that time. An engine that says more has not heard it.
    pub fn fits(&self, length: Duration) -> bool {
        let words = |line: &Utterance| line.words.iter().flatten().map(|word| word.text.len() + FRAME).sum::<usize>();
        let line =
            |line: &Utterance| line.text.len() + line.speaker.as_ref().map_or(0, String::len) + FRAME + words(line);
        let bytes: usize = self.lines.iter().map(line).sum();
        bytes as u64 <= MOST_BYTES_OF_NOTHING + MOST_BYTES_A_SECOND.saturating_mul(length.as_secs())
    }

    /// Nothing was understood: no line has more than white space.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.text.trim().is_empty())
    }
}

/// Whether, and when, the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Connection, timeout, an answer of the wrong shape, a fault on the other side: soon.
    Transient,
    /// This audio never will be taken.
    Refused,
    /// The engine asks for patience, if it said so for this long.
    Later { after: Option<Duration> },
    /// Key, address or model are wrong: only a person can help.
    Misconfigured,
}

/// Why there is no transcript. `detail` is for the log: never a key, never what was said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct EngineError {
    pub retry: Retry,
    pub detail: String,
}

impl EngineError {
    pub fn new(retry: Retry, detail: impl Into<String>) -> Self {
        Self { retry, detail: detail.into() }
    }
}

/// A speech engine. What counts calls, bounds them or breaks the circuit is an engine around another one.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// As in the settings and in metrics.
    fn name(&self) -> &str;

    fn capabilities(&self) -> Capabilities;

    /// One call, one attempt. May be dropped at any time. An answer of the wrong shape is an error, never silence.
    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError>;

    /// Whether a call would have a chance now. Cheap: it is asked by health checks. An engine that is getting ready by
    /// itself, such as one whose model is being loaded, says so here with any class but [`Retry::Misconfigured`]; its
    /// calls wait meanwhile, as long as it sees fit.
    async fn ready(&self) -> Result<(), EngineError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_of_white_space_is_empty() {
        let line = |text: &str| Utterance { start_ms: 0, end_ms: 1, text: text.into(), speaker: None, words: None };
        let transcript = |texts: &[&str]| Transcript { language: None, lines: texts.iter().map(|t| line(t)).collect() };
        assert!(transcript(&[]).is_empty());
        assert!(transcript(&["", " \n"]).is_empty());
        assert!(!transcript(&["", "yes"]).is_empty());
    }

    #[test]
    fn more_than_can_be_said_in_the_time_does_not_fit() {
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
    fn a_region_of_a_language_is_that_language() {
        assert!(Languages::English.include("en-GB"));
        assert!(Languages::English.include("EN"));
        assert!(!Languages::English.include("de"));
        assert!(Languages::List(vec!["de".into()]).include("de_AT"));
        assert!(Languages::Any.include("gsw"));
    }

    #[test]
    fn a_hint_that_names_no_one_language_keeps_nothing_from_an_engine() {
        for hint in ["mul", "und", "multi", "auto", "und-Latn"] {
            assert!(Languages::English.include(hint) && Languages::List(vec![]).include(hint), "{hint}");
        }
    }

    #[test]
    fn audio_is_as_long_as_its_samples() {
        assert_eq!(Audio::new(&[0.0; 16_000]).duration, Duration::from_secs(1));
        assert_eq!(Audio::new(&[0.0; 17]).duration_ms(), 2);
    }
}
