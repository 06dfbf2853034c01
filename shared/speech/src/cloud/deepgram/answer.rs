//! Answers of Deepgram. Fields that are documented as always present are required: a missing field or one of another type
//! is an error, never an empty transcript.

use std::time::Duration;

use serde::Deserialize;

use crate::cloud::times::Times;
use crate::engine::{Transcript, Utterance, Word};

#[derive(Deserialize)]
pub(super) struct ListenResponse {
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    request_id: String,
    /// The duration of the audio in seconds.
    duration: f64,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    #[serde(default)]
    utterances: Option<Vec<RawUtterance>>,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
    #[serde(default)]
    detected_language: Option<String>,
}

#[derive(Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    words: Option<Vec<RawWord>>,
}

/// A stretch of speech of one speaker.
#[derive(Deserialize)]
struct RawUtterance {
    start: f64,
    end: f64,
    transcript: String,
    #[serde(default)]
    speaker: Option<u32>,
    #[serde(default)]
    words: Option<Vec<RawWord>>,
}

#[derive(Deserialize)]
struct RawWord {
    word: String,
    start: f64,
    end: f64,
    /// The word with capital letters and punctuation. It is missing if the model does not support `punctuate`.
    #[serde(default)]
    punctuated_word: Option<String>,
    #[serde(default)]
    speaker: Option<u32>,
}

impl ListenResponse {
    /// Converts the answer. `length` is the duration of the audio that was sent.
    pub fn transcript(self, times: Times, length: Duration) -> Result<Transcript, String> {
        let request: String = self.metadata.request_id.chars().filter(char::is_ascii_graphic).take(64).collect();
        let duration = self.metadata.duration;
        // If Deepgram could only read the start of the file, an empty answer does not mean silence.
        if duration.is_nan() || duration * 2.0 < length.as_secs_f64() {
            let sent = length.as_secs_f64();
            return Err(format!("says it heard {duration:.1} s of {sent:.1} s (request {request})"));
        }
        let channel = self.results.channels.into_iter().next();
        let Some(channel) = channel else { return Err(format!("has no channel (request {request})")) };
        let Some(best) = channel.alternatives.into_iter().next() else {
            return Err(format!("has no alternative (request {request})"));
        };
        let language = channel.detected_language.filter(|language| !language.trim().is_empty());
        let utterances = self.results.utterances.unwrap_or_default();
        let mut lines: Vec<Utterance> = utterances.into_iter().filter_map(|utterance| utterance.line(times)).collect();
        if lines.is_empty() {
            lines = best.lines(times);
        }
        Ok(Transcript { language, lines })
    }
}

impl RawUtterance {
    fn line(self, times: Times) -> Option<Utterance> {
        let text = self.transcript.trim().to_owned();
        let words = self.words.unwrap_or_default();
        let speaker = self.speaker.or_else(|| words.first().and_then(|word| word.speaker));
        let (start_ms, end_ms) = times.span(self.start, self.end);
        let speaker = speaker.map(|speaker| speaker.to_string());
        (!text.is_empty()).then(|| Utterance { start_ms, end_ms, text, speaker, words: timed_words(&words, times) })
    }
}

impl Alternative {
    /// The lines of an answer without utterances: one for each change of speaker, or a single one if there are no words.
    fn lines(self, times: Times) -> Vec<Utterance> {
        let words = self.words.unwrap_or_default();
        let turns: Vec<&[RawWord]> = words.chunk_by(|one, next| one.speaker == next.speaker).collect();
        let text = self.transcript.trim().to_owned();
        match turns[..] {
            [] if text.is_empty() => Vec::new(),
            [] => {
                let (start_ms, end_ms) = times.whole();
                vec![Utterance { start_ms, end_ms, text, speaker: None, words: None }]
            }
            [all] if !text.is_empty() => turn_line(all, text, times).into_iter().collect(),
            _ => turns.iter().filter_map(|words| turn_line(words, joined(words), times)).collect(),
        }
    }
}

fn turn_line(words: &[RawWord], text: String, times: Times) -> Option<Utterance> {
    let (first, last) = (words.first()?, words.last()?);
    let (start_ms, end_ms) = times.span(first.start, last.end);
    let speaker = first.speaker.map(|speaker| speaker.to_string());
    (!text.trim().is_empty()).then(|| Utterance { start_ms, end_ms, text, speaker, words: timed_words(words, times) })
}

fn joined(words: &[RawWord]) -> String {
    words.iter().map(RawWord::text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn timed_words(words: &[RawWord], times: Times) -> Option<Vec<Word>> {
    let word = |word: &RawWord| {
        let (start_ms, end_ms) = times.span(word.start, word.end);
        Word { start_ms, end_ms, text: word.text().to_owned() }
    };
    (!words.is_empty()).then(|| words.iter().map(word).collect())
}

impl RawWord {
    fn text(&self) -> &str {
        let punctuated = self.punctuated_word.as_deref().map(str::trim).filter(|text| !text.is_empty());
        punctuated.unwrap_or_else(|| self.word.trim())
    }
}

#[cfg(test)]
pub(super) mod tests;
