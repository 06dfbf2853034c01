//! WAV: the chunk `bext` of broadcast recorders, and the date in `LIST INFO`.

use std::fs::File;

use domain::Timestamp;
use jiff::tz::TimeZone;

use super::{MAX_PIECES, bytes, text};

/// Where the date and the time of day stand in `bext`, behind three texts (EBU Tech 3285).
const DATE: std::ops::Range<usize> = 320..330;
const TIME: std::ops::Range<usize> = 330..338;

pub fn time(file: &mut File) -> Option<Timestamp> {
    let (mut at, zone) = (12_u64, TimeZone::system());
    for _ in 0..MAX_PIECES {
        let head = bytes(file, at, 8)?;
        let length = u64::from(u32::from_le_bytes(head[4..8].try_into().ok()?));
        let found = match &head[..4] {
            b"bext" => bytes(file, at + 8, length.min(TIME.end as u64)).and_then(|body| origination(&body, &zone)),
            b"LIST" => bytes(file, at + 8, length.min(64 * 1024)).and_then(|body| info(&body, &zone)),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        // Chunks begin at even places.
        at = at.checked_add(8 + length + length % 2)?;
    }
    None
}

fn origination(body: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    let part = |range: std::ops::Range<usize>| std::str::from_utf8(body.get(range)?).ok();
    // Some recorders write other separators.
    let date = part(DATE)?.replace(['/', ':', '.', '_'], "-");
    let time = part(TIME)?.replace(['-', '.', '_'], ":");
    text::time(&format!("{date}T{time}"), zone)
}

fn info(body: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    let mut rest = body.strip_prefix(b"INFO")?;
    while rest.len() >= 8 {
        let (head, behind) = rest.split_at(8);
        let length = usize::try_from(u32::from_le_bytes(head[4..8].try_into().ok()?)).ok()?;
        let value = behind.get(..length)?;
        if &head[..4] == b"ICRD" {
            return text::time(std::str::from_utf8(value).ok()?, zone);
        }
        rest = behind.get(length + length % 2..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_time_is_that_of_the_recorders_place() {
        let mut body = vec![0; 320];
        body.extend(b"2026/11/2010-00-00");
        let zone = TimeZone::posix("CET-1").unwrap();
        assert_eq!(origination(&body, &zone), Some("2026-11-20T09:00:00Z".parse().unwrap()));
        assert_eq!(origination(&body[..337], &zone), None);
        assert_eq!(origination(&[0; 400], &zone), None);
    }

    #[test]
    fn damaged_lists_have_no_time() {
        for body in [&b""[..], b"INFO", b"INFOICRD\xff\xff\xff\xff2026", b"INFOICRD\x01\0\0\0\xff", b"LIST"] {
            assert_eq!(info(body, &TimeZone::UTC), None, "{body:?}");
        }
    }
}
