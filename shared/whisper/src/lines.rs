//! Converts the output of whisper.cpp to lines and words with times.

use speech::{Utterance, Word};
use whisper_rs::{WhisperContext, WhisperSegment, WhisperState};

/// whisper.cpp counts time in hundredths of a second.
const TICK_MS: i64 = 10;

/// All times are cut to `end_ms`, the end of the audio: the padding of short audio is not part of it.
pub fn of(state: &WhisperState, context: &WhisperContext, end_ms: u32) -> Vec<Utterance> {
    let first_special = context.token_eot();
    state.as_iter().filter_map(|segment| line(&segment, first_special, end_ms)).collect()
}

fn line(segment: &WhisperSegment<'_>, first_special: i32, end_ms: u32) -> Option<Utterance> {
    let text = segment.to_str_lossy().ok()?.trim().to_owned();
    if text.is_empty() {
        return None;
    }
    let tokens = (0..segment.n_tokens()).filter_map(|n| segment.get_token(n));
    let spoken_tokens = tokens.filter(|token| token.token_id() < first_special).filter_map(|token| {
        let (data, bytes) = (token.token_data(), token.to_bytes().ok()?);
        Some(Token { start_ms: ms(data.t0, end_ms), end_ms: ms(data.t1, end_ms), bytes: bytes.to_vec() })
    });
    let (start_ms, end) = (ms(segment.start_timestamp(), end_ms), ms(segment.end_timestamp(), end_ms));
    let words = words(spoken_tokens, start_ms);
    Some(Utterance { start_ms, end_ms: end.max(start_ms), text, speaker: None, words: Some(words) })
}

/// A token: a word or a part of one.
struct Token {
    start_ms: u32,
    end_ms: u32,
    /// Bytes and not text, because a character may be split between two tokens.
    bytes: Vec<u8>,
}

fn ms(ticks: i64, end_ms: u32) -> u32 {
    u32::try_from(ticks.max(0).saturating_mul(TICK_MS)).unwrap_or(u32::MAX).min(end_ms)
}

/// Joins tokens to words. A token that begins with a space begins a word. The times of tokens are estimates, so they are
/// corrected to never decrease.
fn words(tokens: impl Iterator<Item = Token>, mut at_ms: u32) -> Vec<Word> {
    let mut groups: Vec<Token> = Vec::new();
    for token in tokens {
        match groups.last_mut() {
            Some(word) if !token.bytes.starts_with(b" ") => {
                word.bytes.extend(token.bytes);
                word.end_ms = token.end_ms;
            }
            _ => groups.push(token),
        }
    }
    let words = groups.into_iter().map(|group| {
        let start_ms = group.start_ms.max(at_ms);
        at_ms = group.end_ms.max(start_ms);
        Word { start_ms, end_ms: at_ms, text: String::from_utf8_lossy(&group.bytes).trim().to_owned() }
    });
    words.filter(|word| !word.text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(start_ms: u32, end_ms: u32, bytes: &[u8]) -> Token {
        Token { start_ms, end_ms, bytes: bytes.to_vec() }
    }

    #[test]
    fn tokens_are_joined_to_words_with_times_that_never_decrease() {
        let tokens = [
            token(100, 200, b" caf\xc3"),
            token(200, 300, b"\xa9"),
            token(250, 240, b" au"),
            token(400, 500, b" "),
            token(500, 600, b" lait"),
            token(600, 650, b"."),
        ];
        let words = words(tokens.into_iter(), 120);
        let seen: Vec<_> = words.iter().map(|word| (word.start_ms, word.end_ms, word.text.as_str())).collect();
        assert_eq!(seen, [(120, 300, "café"), (300, 300, "au"), (500, 650, "lait.")]);
    }

    #[test]
    fn times_are_clamped_to_the_audio() {
        assert_eq!((ms(-3, 500), ms(12, 500), ms(60, 500), ms(i64::MAX, 500)), (0, 120, 500, 500));
    }
}
