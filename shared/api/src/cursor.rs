//! Cursors of listings as clients carry them: opaque, checked, and of no use to another user.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::listing::ConversationCursor;
use domain::{Code, ConversationId, RecordingId, Timestamp};
use edge::Problem;
use flow::ports::{JobCursor, LineCursor};

/// Longer cursors cannot come from this service.
const MAX_CURSOR_BYTES: usize = 256;

fn encode(parts: &[String]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(parts.join("~"))
}

fn decode<const N: usize>(text: &str) -> Result<[String; N], Problem> {
    let read = || {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.get(..text.len().min(MAX_CURSOR_BYTES))?).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.split('~').map(str::to_owned).collect::<Vec<_>>().try_into().ok()
    };
    read().ok_or_else(invalid)
}

fn invalid() -> Problem {
    Problem::new(Code::InvalidCursor, "The cursor is not one that this service gave: pass `next_cursor` on unchanged.")
}

fn part<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| invalid())
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    Ok(Timestamp::from_millis(part(text)?))
}

pub fn of_job(cursor: JobCursor) -> String {
    encode(&["j".into(), cursor.created_at.millis().to_string(), cursor.id.to_string()])
}

pub fn job(text: &str) -> Result<JobCursor, Problem> {
    match decode(text)? {
        [kind, at, id] if kind == "j" => Ok(JobCursor { created_at: moment(&at)?, id: part(&id)? }),
        _ => Err(invalid()),
    }
}

pub fn of_line(cursor: LineCursor) -> String {
    let LineCursor { starts_at, recording, start_ms } = cursor;
    encode(&["l".into(), starts_at.millis().to_string(), recording.to_string(), start_ms.to_string()])
}

pub fn line(text: &str) -> Result<LineCursor, Problem> {
    match decode(text)? {
        [kind, at, recording, start] if kind == "l" => Ok(LineCursor {
            starts_at: moment(&at)?,
            recording: part::<RecordingId>(&recording)?,
            start_ms: part(&start)?,
        }),
        _ => Err(invalid()),
    }
}

pub fn of_conversation(at: Timestamp, id: ConversationId) -> String {
    encode(&["c".into(), at.millis().to_string(), id.to_string()])
}

pub fn conversation(text: &str) -> Result<ConversationCursor, Problem> {
    match decode(text)? {
        [kind, at, id] if kind == "c" => Ok((moment(&at)?, part(&id)?)),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_round_trips_and_invalid_ones_are_refused() {
        let cursor = LineCursor {
            starts_at: Timestamp::from_millis(5),
            recording: "ab".repeat(16).parse().unwrap(),
            start_ms: 7,
        };
        let text = of_line(cursor);
        assert_eq!(line(&text).unwrap(), cursor);
        assert!(job(&text).is_err(), "a cursor of another listing");
        for bad in ["", "x", "====", "amFpbA", &"A".repeat(5000), &text[1..]] {
            assert!(line(bad).is_err(), "{bad}");
        }
    }
}
