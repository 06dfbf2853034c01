//! The next request of a resumable upload, by the protocol of Google Cloud Storage (R17).

use crate::ports::{Answer, HttpError};

use super::problem::Problem;

/// Google Cloud Storage takes pieces in multiples of this, except the last one.
const QUANTUM: u64 = 256 << 10;
/// The largest piece: what one request may have to repeat.
pub const LARGEST_PIECE: u64 = 8 << 20;
/// The first piece.
pub const FIRST_PIECE: u64 = 1 << 20;

/// What a request for a file's bytes led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The server has every byte.
    Whole,
    /// The server has this many.
    Open(u64),
    /// The address is not known any more, or the session is over: it is to be opened again.
    Gone,
    /// The bytes that arrived are not those that were announced.
    WrongBytes(String),
    /// Nothing is known: there was no answer, or none that can be read. The offset is to be asked for.
    Unknown(String),
}

/// Reads the answer to a `PUT`. `size` is the size of the file; an offset beyond it is not believed.
pub fn read(answer: &Result<Answer, HttpError>, size: u64) -> Sent {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Sent::Unknown(error.to_string()),
    };
    match answer.status {
        200 | 201 => Sent::Whole,
        308 => match answer.header("range") {
            None => Sent::Open(0),
            Some(range) => match parse_range(range).filter(|offset| *offset <= size) {
                Some(offset) => Sent::Open(offset),
                None => Sent::Unknown("the server named a range that cannot be".to_owned()),
            },
        },
        416 => match answer.header("range").and_then(parse_range).filter(|offset| *offset <= size) {
            Some(offset) => Sent::Open(offset),
            None => Sent::Unknown("the server has other bytes than it said".to_owned()),
        },
        // 412: another object has the name at storage. The server removes it when the session is opened again.
        404 | 410 | 412 => Sent::Gone,
        422 if Problem::of(answer).code == "digest_mismatch" => Sent::WrongBytes(Problem::of(answer).detail),
        status => Sent::Unknown(format!("the server answered {status}")),
    }
}

/// The number of bytes in `bytes=0-<last>`.
fn parse_range(text: &str) -> Option<u64> {
    let last = text.trim().strip_prefix("bytes=0-")?;
    if last.is_empty() || !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    last.parse::<u64>().ok()?.checked_add(1)
}

/// The size of the next piece: doubled after a success, and back to the smallest after a failure.
pub fn next_piece(last: u64, succeeded: bool) -> u64 {
    if succeeded { (last * 2).min(LARGEST_PIECE) } else { QUANTUM }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, range: Option<&str>, body: &str) -> Result<Answer, HttpError> {
        let headers = range.map(|range| ("Range".to_owned(), range.to_owned())).into_iter().collect();
        Ok(Answer { status, headers, body: body.into() })
    }

    #[test]
    fn r17_upload_continues_at_the_offset_of_the_server() {
        let mismatch = r#"{"code":"digest_mismatch","detail":"other bytes"}"#;
        for (given, expected) in [
            (answer(200, None, ""), Some(Sent::Whole)),
            (answer(201, None, "garbage"), Some(Sent::Whole)),
            (answer(308, None, ""), Some(Sent::Open(0))),
            (answer(308, Some("bytes=0-41"), ""), Some(Sent::Open(42))),
            (answer(308, Some("bytes=0-99"), ""), Some(Sent::Open(100))),
            (answer(308, Some("bytes=0-100"), ""), None),
            (answer(308, Some("bytes=5-9"), ""), None),
            (answer(308, Some("bytes=0--9"), ""), None),
            (answer(308, Some("bytes=0-18446744073709551615"), ""), None),
            (answer(416, Some("bytes=0-9"), ""), Some(Sent::Open(10))),
            (answer(416, None, ""), None),
            (answer(404, None, ""), Some(Sent::Gone)),
            (answer(410, None, ""), Some(Sent::Gone)),
            (answer(412, None, ""), Some(Sent::Gone)),
            (answer(422, None, mismatch), Some(Sent::WrongBytes("other bytes".to_owned()))),
            (answer(422, None, ""), None),
            (answer(302, None, ""), None),
            (answer(503, None, ""), None),
            (Err(HttpError::Timeout), None),
        ] {
            let sent = read(&given, 100);
            match expected {
                Some(expected) => assert_eq!(sent, expected, "{given:?}"),
                None => assert!(matches!(sent, Sent::Unknown(_)), "{given:?}: {sent:?}"),
            }
        }
    }

    #[test]
    fn r17_pieces_grow_with_success_in_multiples_of_256_kib() {
        let mut piece = FIRST_PIECE;
        for _ in 0..9 {
            piece = next_piece(piece, true);
            assert_eq!(piece % QUANTUM, 0);
        }
        assert_eq!(piece, LARGEST_PIECE);
        assert_eq!(next_piece(piece, false), QUANTUM);
    }
}
