//! Converts tokens to text with the SentencePiece-like vocabulary of `tokenizer.json`.

use std::collections::HashMap;

use serde::Deserialize;

/// A limit far above the size of any vocabulary.
const MAX_PIECES: usize = 1 << 20;
/// The character that represents a blank in a piece.
const BLANK: char = '\u{2581}';

/// The meaning of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// A byte of a character that has no piece of its own.
    Byte(u8),
    /// A special token without text: begin, end, unknown, and other marks.
    Nothing,
}

pub(super) struct Vocabulary {
    pieces: Vec<Piece>,
}

#[derive(Deserialize)]
struct Tokenizer {
    model: Model,
    #[serde(default)]
    added_tokens: Vec<Added>,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct Added {
    id: usize,
    special: bool,
}

impl Vocabulary {
    pub fn read(tokenizer: &[u8]) -> Result<Self, String> {
        let Tokenizer { model, added_tokens } =
            serde_json::from_slice(tokenizer).map_err(|error| format!("the tokenizer cannot be read: {error}"))?;
        let size = model.vocab.values().max().map_or(0, |last| last.saturating_add(1));
        if size == 0 || size > MAX_PIECES {
            return Err(format!("the tokenizer has a piece with the number {size}, or none at all"));
        }
        let mut pieces = vec![Piece::Nothing; size];
        for (text, id) in model.vocab {
            pieces[id] = piece(&text);
        }
        for Added { id, special } in added_tokens {
            if let Some(piece) = pieces.get_mut(id).filter(|_| special) {
                *piece = Piece::Nothing;
            }
        }
        Ok(Self { pieces })
    }

    /// The text of the tokens without blanks at its ends. Unknown tokens are ignored.
    pub fn text(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for token in tokens {
            match self.pieces.get(*token as usize) {
                Some(Piece::Text(text)) => bytes.extend_from_slice(text.as_bytes()),
                Some(Piece::Byte(byte)) => bytes.push(*byte),
                Some(Piece::Nothing) | None => {}
            }
        }
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

fn piece(text: &str) -> Piece {
    let byte = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>')).filter(|hex| hex.len() == 2);
    if let Some(byte) = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        return Piece::Byte(byte);
    }
    if text.starts_with("<<ST_") && text.ends_with(">>") {
        return Piece::Nothing;
    }
    Piece::Text(text.replace(BLANK, " ").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: &str = r#"{
        "added_tokens": [{"id": 0, "special": true}, {"id": 1, "special": true}, {"id": 2, "special": true}],
        "model": {"vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "▁Hel": 3, "lo": 4, "<0xC3>": 5, "<0xBC>": 6,
                            "▁▁": 7, "<<ST_3>>": 8, "<0x>": 9}}}"#;

    fn text(tokens: &[u32]) -> String {
        Vocabulary::read(TOKENIZER.as_bytes()).unwrap().text(tokens)
    }

    #[test]
    fn pieces_are_joined_to_words_and_bytes_to_characters() {
        assert_eq!(text(&[1, 3, 4, 3, 5, 6, 2]), "Hello Helü");
        assert_eq!(text(&[3, 7, 3, 7]), "Hel   Hel");
        assert_eq!(text(&[9]), "<0x>");
    }

    #[test]
    fn special_and_unknown_tokens_are_ignored_and_incomplete_characters_replaced() {
        assert_eq!(text(&[0, 1, 2, 8, 10, u32::MAX]), "");
        assert_eq!(text(&[3, 5]), "Hel\u{fffd}");
    }

    #[test]
    fn invalid_tokenizer_is_refused() {
        for wrong in
            ["", "[]", "{\"model\": {\"vocab\": {}}}", "{\"model\": {\"vocab\": {\"a\": 18446744073709551615}}}"]
        {
            assert!(Vocabulary::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
