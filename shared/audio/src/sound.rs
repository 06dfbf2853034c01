//! Sound files: what says in itself how it is coded. Recognised by content, not by name, and read as streams: no size
//! that a file claims takes memory.
//!
//! Damage, as in frame files: a packet that the decoder refuses is concealed for as long as packets last; bytes that
//! belong to no packet are dropped, and so is what the file promises and does not have: *beyond a packet* if that is more
//! than one unfinished packet at the end.

mod flac;
mod mp3;
mod mp4;
mod ogg;
mod opus_head;
mod packets;
mod symphonia;
mod vorbis;
mod wav;
mod window;

use std::io::{Read, SeekFrom};

use self::flac::Flac;
use self::mp3::Mp3;
use self::mp4::Mp4;
pub(crate) use self::ogg::Ogg;
use self::packets::Packets;
pub(crate) use self::symphonia::Symphonia;
use self::wav::Wav;
use self::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::input::Input;
use crate::opus::Opus;
use crate::samples::Steps;

/// Beyond these a rate is an accident: resampling would take more memory and time than any recording is worth.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

const IMPOSSIBLE_RATE: AudioError = AudioError::Unreadable("the file claims an impossible rate");
/// Enough to recognise a file by.
pub(crate) const HEAD: u64 = 12;

/// Wide enough for the largest packet of any container here.
const WINDOW: usize = 512 * 1024;

/// A packet of a container.
struct Part<'a> {
    data: &'a [u8],
    /// How long the recording is, in samples, when that is known: what the last packets hold beyond it is none of it.
    until: Option<u64>,
}

/// Splits a file into packets.
trait Container {
    fn next(&mut self) -> Result<Option<Part<'_>>, AudioError>;

    /// What the encoder put before the audio, in samples.
    fn skip(&self) -> u64;

    /// Complete once there are no more packets.
    fn damage(&self) -> Damage;
}

/// What a sound file turned out to be.
pub(crate) enum Opened<'r> {
    /// Opus packets, not yet decoded.
    Opus(Ogg<'r>),
    Steps(Box<dyn Steps + 'r>),
}

/// How long an Opus packet of a sound file lasts, as far as is known before the first: 20 ms at 16 kHz.
pub(crate) const OPUS_SAMPLES: usize = 320;

impl<'r> Opened<'r> {
    pub fn steps(self) -> Result<Box<dyn Steps + 'r>, AudioError> {
        match self {
            Self::Opus(ogg) => Ok(Packets::boxed(ogg, Opus::lasting(OPUS_SAMPLES)?)),
            Self::Steps(steps) => Ok(steps),
        }
    }
}

/// Opens what a sound file holds.
pub(crate) fn open<'r>(input: Input<'r>) -> Result<Opened<'r>, AudioError> {
    let steps = match open_any(input)? {
        Opened::Steps(steps) => steps,
        opus @ Opened::Opus(_) => return Ok(opus),
    };
    if RATES.contains(&steps.rate()) { Ok(Opened::Steps(steps)) } else { Err(IMPOSSIBLE_RATE) }
}

fn open_any<'r>(input: Input<'r>) -> Result<Opened<'r>, AudioError> {
    match input {
        Input::Ranges(ranges) => {
            let mut head = Vec::new();
            (&mut *ranges).take(HEAD).read_to_end(&mut head)?;
            if recognise(&head) == Some(Kind::M4a) {
                let mp4 = Mp4::open(ranges)?;
                let decoder = mp4.decoder()?;
                Ok(Opened::Steps(Packets::boxed(mp4, decoder)))
            } else {
                ranges.seek(SeekFrom::Start(0))?;
                open_stream(Input::Ranges(ranges).stream())
            }
        }
        Input::Stream(_) | Input::Kept(_) => open_stream(input.stream()),
    }
}

fn open_stream<'r>(read: Box<dyn Read + 'r>) -> Result<Opened<'r>, AudioError> {
    let mut window = Window::new(read, WINDOW);
    let unknown = AudioError::Unreadable("the file is not a sound file of a known kind");
    let steps: Box<dyn Steps + 'r> = match recognise(window.peek(HEAD as usize)?).ok_or(unknown)? {
        Kind::Wav => Box::new(Wav::open(window)?),
        Kind::Flac => {
            let flac = Flac::open(window)?;
            let decoder = Symphonia::flac(flac.stream_info())?;
            Packets::boxed(flac, decoder)
        }
        Kind::Ogg => return ogg::open(window),
        Kind::Mp3 => {
            let mp3 = Mp3::open(window)?;
            let decoder = mp3.decoder()?;
            Packets::boxed(mp3, decoder)
        }
        Kind::M4a => return Err(Kind::M4a.wrongly_named()),
    };
    Ok(Opened::Steps(steps))
}

/// What a file is, whatever its name says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Wav,
    Flac,
    Ogg,
    Mp3,
    M4a,
}

impl Kind {
    pub fn wrongly_named(self) -> AudioError {
        AudioError::Unreadable(match self {
            Self::Wav => "the file is a WAV file; its name has to say so",
            Self::Flac => "the file is a FLAC file; its name has to say so",
            Self::Ogg => "the file is an Ogg file; its name has to say so",
            Self::Mp3 => "the file is an MP3 file; its name has to say so",
            Self::M4a => "the file is an M4A file; its name has to say so",
        })
    }
}

/// By the first bytes, [`HEAD`] of them if the file has so many.
pub(crate) fn recognise(head: &[u8]) -> Option<Kind> {
    match *head {
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] => Some(Kind::Wav),
        [b'f', b'L', b'a', b'C', ..] => Some(Kind::Flac),
        [b'O', b'g', b'g', b'S', ..] => Some(Kind::Ogg),
        [b'I', b'D', b'3', ..] => Some(Kind::Mp3),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Kind::M4a),
        [0xFF, ..] if mp3::is_header(head) => Some(Kind::Mp3),
        _ => None,
    }
}

#[cfg(test)]
mod lies;
#[cfg(test)]
mod tests;
