//! Answers of servers with OpenAI's API: always a text, and segments and words with times if the server supports them.

use serde::Deserialize;
use serde_json::Value;

use super::languages;
use crate::cloud::times::Times;
use crate::engine::{Transcript, Utterance, Word};

#[derive(Deserialize)]
pub(super) struct TranscriptionResponse {
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    segments: Option<Vec<Segment>>,
    #[serde(default)]
    words: Option<Vec<RawWord>>,
}

#[derive(Deserialize)]
struct Segment {
    start: f64,
    end: f64,
    text: String,
    /// A name, a letter or a number, from servers that distinguish speakers.
    #[serde(default)]
    speaker: Value,
    /// Some servers put the words here.
    #[serde(default)]
    words: Option<Vec<RawWord>>,
}

/// A word. Some servers give no times for some words.
#[derive(Deserialize)]
struct RawWord {
    #[serde(alias = "text")]
    word: String,
    #[serde(default)]
    start: Option<f64>,
    #[serde(default)]
    end: Option<f64>,
}

impl TranscriptionResponse {
    pub fn transcript(self, times: Times) -> Transcript {
        let language = self.language.as_deref().and_then(languages::tag);
        let words = timed_words(&self.words.unwrap_or_default(), times);
        let segments = self.segments.unwrap_or_default();
        let mut lines: Vec<Utterance> = segments.into_iter().filter_map(|segment| segment.line(times)).collect();
        let text = self.text.trim().to_owned();
        if !lines.is_empty() {
            assign_words(words, &mut lines);
        } else if !text.is_empty() {
            lines.push(line(text, words, times));
        }
        Transcript { language, lines }
    }
}

impl Segment {
    fn line(self, times: Times) -> Option<Utterance> {
        let text = self.text.trim().to_owned();
        let (start_ms, end_ms) = times.span(self.start, self.end);
        let speaker = match self.speaker {
            Value::String(name) if !name.trim().is_empty() => Some(name),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let words = timed_words(&self.words.unwrap_or_default(), times);
        let words = (!words.is_empty()).then_some(words);
        (!text.is_empty()).then_some(Utterance { start_ms, end_ms, text, speaker, words })
    }
}

/// A line over the span of the words, or over all of the audio if there are none.
fn line(text: String, words: Vec<Word>, times: Times) -> Utterance {
    let whole = times.whole();
    let start_ms = words.first().map_or(whole.0, |word| word.start_ms);
    let end_ms = words.last().map_or(whole.1, |word| word.end_ms);
    Utterance { start_ms, end_ms, text, speaker: None, words: (!words.is_empty()).then_some(words) }
}

/// Assigns each word to the line that contains its middle. Words and lines are in order of time.
fn assign_words(words: Vec<Word>, lines: &mut [Utterance]) {
    let mut at = 0;
    for word in words {
        let middle = word.start_ms.midpoint(word.end_ms);
        while at + 1 < lines.len() && middle >= lines[at].end_ms && middle >= lines[at + 1].start_ms {
            at += 1;
        }
        lines[at].words.get_or_insert_default().push(word);
    }
}

fn timed_words(words: &[RawWord], times: Times) -> Vec<Word> {
    let mut last = 0.0;
    let mut all = Vec::with_capacity(words.len());
    for word in words.iter().filter(|word| !word.word.trim().is_empty()) {
        let start = word.start.unwrap_or(last);
        let end = word.end.unwrap_or(start);
        last = end;
        let (start_ms, end_ms) = times.span(start, end);
        all.push(Word { start_ms, end_ms, text: word.word.trim().to_owned() });
    }
    all
}

#[cfg(test)]
pub(super) mod tests;
