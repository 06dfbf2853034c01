//! An engine without a model, for tests and benchmarks. Its text is a hash of the samples: equal audio gives equal text,
//! different audio gives different text.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use crate::engine::{
    Audio, Capabilities, Engine, EngineError, Hints, Languages, RetryClass, Transcript, Utterance, Word,
};

pub(crate) const NAME: &str = "null";

/// Duration of a word: people speak two to three words a second.
const WORD_MS: u32 = 400;
/// Bytes of the hash in each word. Each byte becomes two letters.
const WORD_BYTES: usize = 2;
/// The same as for the built-in engines, so that plans are similar.
const PREFERRED_SPAN: Duration = Duration::from_secs(15);
const MAX_SPAN: Duration = Duration::from_secs(300);
/// The engine computes almost nothing, so many of its delays can overlap in a benchmark.
const CONCURRENCY: usize = 64;

/// How the engine fails: at every call, or at every n-th call (`refuse:2`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullFail {
    how: How,
    every: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The call fails as if the connection broke.
    Transient,
    /// The audio is refused.
    Refuse,
    /// The transcript is empty.
    Empty,
}

const FAILS: [(&str, How); 3] = [("transient", How::Transient), ("refuse", How::Refuse), ("empty", How::Empty)];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to fail; expected transient, refuse or empty, or `refuse:2` for every second call")]
pub struct UnknownFail(pub String);

impl FromStr for NullFail {
    type Err = UnknownFail;
    fn from_str(text: &str) -> Result<Self, UnknownFail> {
        let unknown = || UnknownFail(text.chars().take(64).collect());
        let (name, every) = match text.split_once(':') {
            Some((name, every)) => (name, every.parse().ok().filter(|every| *every > 0).ok_or_else(unknown)?),
            None => (text, 1),
        };
        let (_, how) = FAILS.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?;
        Ok(Self { how: *how, every })
    }
}

impl fmt::Display for NullFail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FAILS.iter().find(|(_, how)| *how == self.how).map_or("", |(name, _)| name))?;
        if self.every == 1 { Ok(()) } else { write!(f, ":{}", self.every) }
    }
}

pub(crate) struct Null {
    delay: Duration,
    fail: Option<NullFail>,
    languages: Languages,
    calls: AtomicU32,
}

#[async_trait]
impl Engine for Null {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            preferred_span: PREFERRED_SPAN,
            max_span: MAX_SPAN,
            concurrency: CONCURRENCY,
            words: true,
            speakers: false,
            languages: self.languages.clone(),
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        self.wait().await;
        let language = hints.language.clone();
        match self.failing() {
            Some(How::Transient) => {
                Err(EngineError::new(RetryClass::Transient, "the null engine is configured to fail"))
            }
            Some(How::Refuse) => Err(EngineError::new(RetryClass::Refused, "the null engine is configured to refuse")),
            Some(How::Empty) => Ok(Transcript { language, lines: Vec::new() }),
            None => Ok(Transcript { language, lines: vec![line(audio)] }),
        }
    }

    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

impl Null {
    pub fn new(delay: Duration, fail: Option<NullFail>) -> Self {
        Self { delay, fail, languages: Languages::Any, calls: AtomicU32::new(0) }
    }

    /// Restricts the engine to these languages. If there are none, it accepts any.
    pub fn speaking(self, languages: &[String]) -> Self {
        let primary = |tag: &String| tag.to_ascii_lowercase();
        let only = Languages::List(languages.iter().map(primary).collect());
        Self { languages: if languages.is_empty() { Languages::Any } else { only }, ..self }
    }

    /// How this call fails, if it does.
    fn failing(&self) -> Option<How> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        self.fail.filter(|fail| call.is_multiple_of(fail.every)).map(|fail| fail.how)
    }

    #[expect(clippy::disallowed_methods, reason = "stands in for the time that a real engine takes, not for a clock")]
    async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

fn line(audio: Audio<'_>) -> Utterance {
    let hash = hash(audio.samples);
    let end_ms = audio.duration_ms();
    let count = (end_ms / WORD_MS).max(1);
    let words: Vec<Word> = (0..count)
        .map(|index| Word {
            start_ms: share(end_ms, index, count),
            end_ms: share(end_ms, index + 1, count),
            text: word(&hash, index),
        })
        .collect();
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    Utterance { start_ms: 0, end_ms, text, speaker: None, words: Some(words) }
}

/// The hash of the samples in 16 bits, little-endian, so that a pcm16 recording has the hash of its bytes in the file.
fn hash(samples: &[f32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for piece in samples.chunks(512) {
        let mut bytes = [0; 1024];
        for (sample, into) in piece.iter().zip(bytes.as_chunks_mut::<2>().0) {
            // The cast saturates and turns NaN into 0.
            *into = ((sample * 32_768.0).round() as i16).to_le_bytes();
        }
        hash.update(&bytes[..piece.len() * 2]);
    }
    hash.finalize().into()
}

/// A word of the text. The hash is repeated, so long audio repeats itself after sixteen words.
fn word(hash: &[u8; 32], index: u32) -> String {
    let at = index as usize * WORD_BYTES % hash.len();
    hex::encode(&hash[at..at + WORD_BYTES])
}

fn share(whole: u32, part: u32, of: u32) -> u32 {
    // The result is at most `whole`, because `part <= of`.
    (u64::from(whole) * u64::from(part) / u64::from(of)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> Null {
        Null::new(Duration::ZERO, None)
    }

    async fn text(samples: &[f32]) -> String {
        let transcript = null().transcribe(Audio::new(samples), &Hints::default()).await.unwrap();
        transcript.lines[0].text.clone()
    }

    #[tokio::test]
    async fn equal_audio_gives_equal_text_and_different_audio_different_text() {
        let samples = [0.25; 16_000];
        assert_eq!(text(&samples).await, text(&samples).await);
        let mut other = samples;
        other[7_000] = 0.26;
        assert_ne!(text(&samples).await, text(&other).await);
        // SHA-256 of two zero bytes.
        assert_eq!(text(&[0.0]).await, "96a2");
    }

    #[tokio::test]
    async fn longer_audio_has_more_words_and_they_cover_it() {
        for (samples, words) in [(0, 1), (1, 1), (8_000, 1), (16_000, 2), (160_000, 25)] {
            let samples = vec![0.5; samples];
            let answer = null().transcribe(Audio::new(&samples), &Hints::default()).await.unwrap();
            let line = &answer.lines[0];
            let spoken = line.words.as_ref().unwrap();
            assert_eq!((spoken.len(), line.text.split(' ').count()), (words, words));
            assert_eq!((spoken[0].start_ms, spoken[words - 1].end_ms), (line.start_ms, line.end_ms));
            assert!(spoken.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn call_takes_the_configured_delay() {
        let slow = Null::new(Duration::from_millis(250), None);
        let before = tokio::time::Instant::now();
        slow.transcribe(Audio::new(&[0.0]), &Hints::default()).await.unwrap();
        assert_eq!(before.elapsed(), Duration::from_millis(250));
    }

    #[tokio::test]
    async fn calls_fail_in_the_configured_way() {
        for (fail, retry) in
            [("transient", Some(RetryClass::Transient)), ("refuse", Some(RetryClass::Refused)), ("empty", None)]
        {
            let null = Null::new(Duration::ZERO, Some(fail.parse().unwrap()));
            let answer = null.transcribe(Audio::new(&[0.5; 1_600]), &Hints::default()).await;
            assert_eq!(answer.as_ref().err().map(|error| error.retry), retry);
            assert!(answer.is_ok_and(|transcript| transcript.is_empty()) == retry.is_none());
            assert_eq!(null.fail.unwrap().to_string(), fail);
        }
    }

    #[tokio::test]
    async fn every_nth_call_fails_as_configured() {
        let null = Null::new(Duration::ZERO, Some("refuse:2".parse().unwrap()));
        for refused in [false, true, false, true] {
            assert_eq!(null.transcribe(Audio::new(&[0.5]), &Hints::default()).await.is_err(), refused);
        }
        assert_eq!(null.fail.unwrap().to_string(), "refuse:2");
        for bad in ["refuse:", "refuse:0", "refuse:x", ":2", "sometimes"] {
            assert!(bad.parse::<NullFail>().is_err(), "{bad}");
        }
    }

    #[test]
    fn languages_are_any_or_those_that_are_configured() {
        assert_eq!(null().speaking(&[]).capabilities().languages, Languages::Any);
        let some = null().speaking(&["en".into(), "DE".into()]).capabilities().languages;
        assert!(some.include("de-AT") && some.include("en") && !some.include("es"));
    }

    #[tokio::test]
    async fn hinted_language_is_the_language_of_the_transcript() {
        let hints = Hints { language: Some("de".into()) };
        let answer = null().transcribe(Audio::new(&[0.5]), &hints).await.unwrap();
        assert_eq!(answer.language.as_deref(), Some("de"));
    }
}
