//! What Deepgram answers. Fields that are documented as always there have to be there; what is missing or means
//! something else is an error, never silence.

use std::time::Duration;

use serde::Deserialize;

use crate::cloud::times::Times;
use crate::engine::{Transcript, Utterance, Word};

#[derive(Deserialize)]
pub(super) struct Listened {
    metadata: Metadata,
    results: Results,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    request_id: String,
    /// Of the audio, in seconds.
    duration: f64,
}

#[derive(Deserialize)]
struct Results {
    channels: Vec<Channel>,
    #[serde(default)]
    utterances: Option<Vec<Said>>,
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
    words: Option<Vec<Spoken>>,
}

/// A stretch of speech of one speaker.
#[derive(Deserialize)]
struct Said {
    start: f64,
    end: f64,
    transcript: String,
    #[serde(default)]
    speaker: Option<u32>,
    #[serde(default)]
    words: Option<Vec<Spoken>>,
}

#[derive(Deserialize)]
struct Spoken {
    word: String,
    start: f64,
    end: f64,
    /// With its capital letter and what follows it; only where `punctuate` is understood.
    #[serde(default)]
    punctuated_word: Option<String>,
    #[serde(default)]
    speaker: Option<u32>,
}

impl Listened {
    /// `length`: of what was sent.
    pub fn transcript(self, times: Times, length: Duration) -> Result<Transcript, String> {
        let request: String = self.metadata.request_id.chars().filter(char::is_ascii_graphic).take(64).collect();
        let heard = self.metadata.duration;
        // An engine that could read but the start of a file must not be believed that there is nothing in it.
        if heard.is_nan() || heard * 2.0 < length.as_secs_f64() {
            let sent = length.as_secs_f64();
            return Err(format!("says it heard {heard:.1} s of {sent:.1} s (request {request})"));
        }
        let channel = self.results.channels.into_iter().next();
        let Some(channel) = channel else { return Err(format!("has no channel (request {request})")) };
        let Some(best) = channel.alternatives.into_iter().next() else {
            return Err(format!("has no alternative (request {request})"));
        };
        let language = channel.detected_language.filter(|language| !language.trim().is_empty());
        let said = self.results.utterances.unwrap_or_default();
        let mut lines: Vec<Utterance> = said.into_iter().filter_map(|said| said.line(times)).collect();
        if lines.is_empty() {
            lines = best.lines(times);
        }
        Ok(Transcript { language, lines })
    }
}

impl Said {
    fn line(self, times: Times) -> Option<Utterance> {
        let text = self.transcript.trim().to_owned();
        let words = self.words.unwrap_or_default();
        let speaker = self.speaker.or_else(|| words.first().and_then(|word| word.speaker));
        let (start_ms, end_ms) = times.span(self.start, self.end);
        let speaker = speaker.map(|speaker| speaker.to_string());
        (!text.is_empty()).then(|| Utterance { start_ms, end_ms, text, speaker, words: spoken(&words, times) })
    }
}

impl Alternative {
    /// Without utterances: a line for each speaker's turn, or one for all where no word has a time.
    fn lines(self, times: Times) -> Vec<Utterance> {
        let words = self.words.unwrap_or_default();
        let turns: Vec<&[Spoken]> = words.chunk_by(|one, next| one.speaker == next.speaker).collect();
        let text = self.transcript.trim().to_owned();
        match turns[..] {
            [] if text.is_empty() => Vec::new(),
            [] => {
                let (start_ms, end_ms) = times.whole();
                vec![Utterance { start_ms, end_ms, text, speaker: None, words: None }]
            }
            [all] if !text.is_empty() => turn(all, text, times).into_iter().collect(),
            _ => turns.iter().filter_map(|words| turn(words, joined(words), times)).collect(),
        }
    }
}

fn turn(words: &[Spoken], text: String, times: Times) -> Option<Utterance> {
    let (first, last) = (words.first()?, words.last()?);
    let (start_ms, end_ms) = times.span(first.start, last.end);
    let speaker = first.speaker.map(|speaker| speaker.to_string());
    (!text.trim().is_empty()).then(|| Utterance { start_ms, end_ms, text, speaker, words: spoken(words, times) })
}

fn joined(words: &[Spoken]) -> String {
    words.iter().map(Spoken::text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn spoken(words: &[Spoken], times: Times) -> Option<Vec<Word>> {
    let word = |word: &Spoken| {
        let (start_ms, end_ms) = times.span(word.start, word.end);
        Word { start_ms, end_ms, text: word.text().to_owned() }
    };
    (!words.is_empty()).then(|| words.iter().map(word).collect())
}

impl Spoken {
    fn text(&self) -> &str {
        let punctuated = self.punctuated_word.as_deref().map(str::trim).filter(|text| !text.is_empty());
        punctuated.unwrap_or_else(|| self.word.trim())
    }
}

#[cfg(test)]
pub(super) mod tests;
