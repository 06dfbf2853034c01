//! Recognises the kind of a sound file from its first bytes, whatever its name says.

use super::{adts_frames, id3, mp3_frames};
use crate::error::AudioError;

/// The bytes that are enough to recognise a file.
pub(crate) const HEAD: u64 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Wav,
    Aiff,
    Caf,
    Flac,
    Ogg,
    Mp3,
    Adts,
    Matroska,
    Mp4,
    Amr,
}

pub(super) const AMR: AudioError = AudioError::Unreadable(
    "the file holds AMR audio, which cannot be decoded here; convert it to WAV, FLAC, MP3 or M4A",
);

impl Kind {
    /// The error for a file that is named as device frames but is of this kind.
    pub fn wrongly_named(self) -> AudioError {
        AudioError::Unreadable(match self {
            Self::Wav => "the file is a WAV file; its name has to say so",
            Self::Aiff => "the file is an AIFF file; its name has to say so",
            Self::Caf => "the file is a CAF file; its name has to say so",
            Self::Flac => "the file is a FLAC file; its name has to say so",
            Self::Ogg => "the file is an Ogg file; its name has to say so",
            Self::Mp3 => "the file is an MP3 file; its name has to say so",
            Self::Adts => "the file is an ADTS AAC file without device frames; its name has to end in .aac",
            Self::Matroska => "the file is a WebM or Matroska file; its name has to say so",
            Self::Mp4 => "the file is an MP4 or M4A file; its name has to say so",
            Self::Amr => "the file is an AMR file; AMR cannot be decoded here",
        })
    }
}

/// Recognises a file by its first bytes: [`HEAD`] of them, if the file has that many.
pub(crate) fn recognise(head: &[u8]) -> Option<Kind> {
    match *head {
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] => Some(Kind::Wav),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C'] => Some(Kind::Aiff),
        [b'c', b'a', b'f', b'f', 0, 1, ..] => Some(Kind::Caf),
        [b'f', b'L', b'a', b'C', ..] => Some(Kind::Flac),
        [b'O', b'g', b'g', b'S', ..] => Some(Kind::Ogg),
        [b'I', b'D', b'3', ..] => Some(Kind::Mp3),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(Kind::Matroska),
        [b'#', b'!', b'A', b'M', b'R', ..] => Some(Kind::Amr),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Kind::Mp4),
        [0xFF, ..] if mp3_frames::is_header(head) => Some(Kind::Mp3),
        [0xFF, ..] if adts_frames::is_header(head) => Some(Kind::Adts),
        _ => None,
    }
}

/// Whether a file certainly begins here, even where none is expected: only signatures that do not occur by chance
/// count. At most [`HEAD`] bytes are examined.
pub(super) fn begins(bytes: &[u8]) -> Option<Kind> {
    match *bytes {
        [b'R', b'I', b'F', b'F' | b'X', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'R', b'F', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(Kind::Wav),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C', ..] => Some(Kind::Aiff),
        [b'c', b'a', b'f', b'f', 0, 1, 0, 0, b'd', b'e', b's', b'c', ..] => Some(Kind::Caf),
        [b'f', b'L', b'a', b'C', 0 | 0x80, 0, 0, 34, ..] => Some(Kind::Flac),
        [b'O', b'g', b'g', b'S', 0, flags, ..] if flags & 0xFA == 2 => Some(Kind::Ogg),
        [0x1A, 0x45, 0xDF, 0xA3, 0x9F | 0xA3 | 0x93 | 0x01, ..] => Some(Kind::Matroska),
        [0, 0, 0, 8..=255, b'f', b't', b'y', b'p', ..] => Some(Kind::Mp4),
        _ => None,
    }
}

/// Whether another file begins where one of this kind may have ended, including one that consists of bare frames.
pub(super) fn is_other(bytes: &[u8], kind: Kind) -> bool {
    let frames = || match bytes.first() {
        Some(b'I') => id3::begins(bytes),
        Some(0xFF) => {
            kind != Kind::Mp3 && mp3_frames::certainly_begins(bytes)
                || kind != Kind::Adts && adts_frames::certainly_begins(bytes)
        }
        _ => false,
    };
    begins(bytes).is_some_and(|other| other != kind) || frames()
}

/// The bytes that [`is_other`] needs: four of the longest frames.
pub(super) const SEEN: usize = 40 * 1024;

/// Finds where an MP4 file begins in the first bytes of a file, if nothing else begins before it.
pub(super) fn mp4_at(head: &[u8]) -> Option<usize> {
    match recognise(&head[..head.len().min(HEAD as usize)]) {
        Some(Kind::Mp4) => return Some(0),
        Some(_) => return None,
        None => {}
    }
    let other = |bytes: &[u8]| {
        begins(bytes).is_some() || id3::begins(bytes) || mp3_frames::begins(bytes) || adts_frames::begins(bytes)
    };
    let at = (0..head.len()).find(|&at| other(&head[at..]))?;
    (begins(&head[at..]) == Some(Kind::Mp4)).then_some(at)
}

/// A quick check of the first byte for everything that [`begins`] recognises.
pub(super) fn may_begin(byte: u8) -> bool {
    matches!(byte, b'R' | b'F' | b'c' | b'f' | b'O' | 0x1A | 0)
}
