//! Ogg, FLAC and MP3: tags at the beginning of the file that contain a whole time.

use std::fs::File;

use domain::Timestamp;
use jiff::tz::TimeZone;

use super::{MAX_BYTES, text, up_to};

/// Comments of Ogg and FLAC, and frames of ID3v2 with a time of recording.
const COMMENTS: [&str; 3] = ["creation_time=", "date=", "datetime="];
const FRAMES: [&[u8; 4]; 3] = [b"TDRC", b"TDEN", b"TDTG"];
/// The longest time that a tag has.
const MAX_TIME_BYTES: usize = 40;

pub fn time(file: &mut File) -> Option<Timestamp> {
    let head = up_to(file, 0, MAX_BYTES)?;
    let zone = TimeZone::system();
    if head.starts_with(b"ID3") { id3(&head, &zone) } else { comments(&head, &zone) }
}

/// Comments are `NAME=value`, each behind its length. Where they stand depends on the codec; their names are searched
/// for.
fn comments(head: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    COMMENTS.iter().find_map(|name| {
        let starts =
            head.windows(name.len()).enumerate().filter(|(_, text)| text.eq_ignore_ascii_case(name.as_bytes()));
        starts.into_iter().find_map(|(at, _)| {
            let length = u32::from_le_bytes(head.get(at.checked_sub(4)?..at)?.try_into().ok()?);
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            let value = head.get(at + name.len()..end).filter(|value| value.len() <= MAX_TIME_BYTES)?;
            text::time(std::str::from_utf8(value).ok()?, zone)
        })
    })
}

fn id3(head: &[u8], zone: &TimeZone) -> Option<Timestamp> {
    FRAMES.iter().find_map(|name| {
        let at = head.windows(4).position(|text| text == *name)?;
        // Name, size and flags take ten bytes; then comes the encoding of the text.
        let length = usize::from(*head.get(at + 7)?).checked_sub(1)?;
        let value = head.get(at + 11..at + 11 + length.min(MAX_TIME_BYTES))?;
        // Only texts of single bytes: a time in UTF-16 has every second byte zero.
        let ascii: String =
            value.iter().filter(|byte| byte.is_ascii_graphic() || **byte == b' ').map(|b| char::from(*b)).collect();
        text::time(&ascii, zone)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_with_a_whole_time_is_found() {
        let comment = |text: &str| [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat();
        let head =
            [b"OggS...OpusTags".to_vec(), comment("TITLE=x"), comment("DATE=2026-11-20T10:00:00Z"), comment("A=b")]
                .concat();
        assert_eq!(comments(&head, &TimeZone::UTC), Some("2026-11-20T10:00:00Z".parse().unwrap()));
        let coarse = [b"OggS".to_vec(), comment("DATE=2026"), comment("creation_time=2026-11-20 10:00:00")].concat();
        assert_eq!(comments(&coarse, &TimeZone::UTC), Some("2026-11-20T10:00:00Z".parse().unwrap()));
        for damaged in [&b"DATE=2026-11-20T10:00:00Z"[..], b"\xff\xff\xff\xffDATE=2026-11-20T10:00:00Z", b"fLaC"] {
            assert_eq!(comments(damaged, &TimeZone::UTC), None, "{damaged:?}");
        }
    }

    #[test]
    fn frame_of_id3_is_read_in_both_encodings() {
        let latin = b"ID3\x04\0\0\0\0\0\x40TDRC\0\0\0\x14\0\0\x002026-11-20T10:00:00";
        assert_eq!(id3(latin, &TimeZone::UTC), Some("2026-11-20T10:00:00Z".parse().unwrap()));
        let mut wide = b"ID3\x04\0\0\0\0\0\x40TDRC\0\0\0\x29\0\0\x01\xff\xfe".to_vec();
        wide.extend("2026-11-20T10:00:00".bytes().flat_map(|byte| [byte, 0]));
        assert_eq!(id3(&wide, &TimeZone::UTC), Some("2026-11-20T10:00:00Z".parse().unwrap()));
        assert_eq!(id3(b"ID3TDRC", &TimeZone::UTC), None);
    }
}
