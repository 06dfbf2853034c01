//! Sound files: what says in itself how it is coded. Recognised by content, not by name, and read as streams: no size
//! that a file claims takes memory.
//!
//! Damage, as in frame files: a packet that the decoder refuses is concealed for as long as packets last; bytes that
//! belong to no packet are dropped, *in the middle* if another packet follows.

mod flac;
mod mp3;
mod mp4;
mod ogg;
mod opus_head;
mod symphonia;
mod vorbis;
mod wav;
mod window;

use std::io::{Read, SeekFrom};

use self::flac::Flac;
use self::mp3::Mp3;
use self::mp4::Mp4;
pub(crate) use self::ogg::Ogg;
pub(crate) use self::symphonia::Symphonia;
use self::wav::Wav;
use self::window::Window;
use crate::decode::FrameDecoder;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::input::Input;
use crate::opus::Opus;
use crate::samples::{Step, Steps, decode};

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

/// The most that an encoder adds behind the audio, in samples: MP3 has 12 bits to say it. A file that claims to end
/// earlier than that lies, or another one follows in it.
const MOST_PADDING: usize = 4096;

/// A container and its decoder.
struct Packets<C, D> {
    container: C,
    decoder: D,
    skip: u64,
    until: Option<u64>,
    packet: Vec<f32>,
    /// The last samples so far, which may turn out to be padding.
    held: Vec<f32>,
    /// What is still to be told of them.
    owed: Step,
    given: u64,
    over: bool,
}

impl<C: Container, D: FrameDecoder> Packets<C, D> {
    fn boxed<'r>(container: C, decoder: D) -> Box<dyn Steps + 'r>
    where
        C: 'r,
        D: 'r,
    {
        let skip = container.skip();
        let (packet, held, owed) = (Vec::new(), Vec::new(), Step::default());
        Box::new(Self { container, decoder, skip, until: None, packet, held, owed, given: 0, over: false })
    }

    fn take(&mut self, step: Step) {
        let before = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.packet.len());
        self.skip -= before as u64;
        self.held.extend_from_slice(&self.packet[before..]);
        self.owed.frames += step.frames;
        self.owed.concealed += step.concealed;
    }

    /// Gives all that is held but for the last `keep` samples. A frame counts when a sample of it, or of one near it,
    /// is given.
    fn give(&mut self, keep: usize, out: &mut Vec<f32>) -> Step {
        out.extend(self.held.drain(..self.held.len().saturating_sub(keep)));
        self.given += out.len() as u64;
        let frames = if out.is_empty() { 0 } else { std::mem::take(&mut self.owed.frames) };
        let concealed = self.owed.concealed.min(out.len() as u64);
        self.owed.concealed -= concealed;
        Step { frames, concealed, ..Step::default() }
    }

    fn drop_padding(&mut self) {
        let padding = self.until.map_or(0, |until| (self.given + self.held.len() as u64).saturating_sub(until));
        if padding <= MOST_PADDING as u64 {
            self.held.truncate(self.held.len().saturating_sub(padding as usize));
        }
    }
}

impl<C: Container, D: FrameDecoder> Steps for Packets<C, D> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        if self.over {
            return Ok(None);
        }
        let Some(part) = self.container.next()? else {
            self.over = true;
            self.drop_padding();
            return Ok(Some(self.give(0, out)));
        };
        self.until = part.until;
        self.packet.clear();
        let step = decode(&mut self.decoder, part.data, &mut self.packet);
        if !RATES.contains(&self.decoder.rate()) {
            return Err(IMPOSSIBLE_RATE);
        }
        self.take(step);
        // Moving what is held costs time: not for every packet.
        let keep = if self.held.len() < 2 * MOST_PADDING { usize::MAX } else { MOST_PADDING };
        Ok(Some(self.give(keep, out)))
    }

    fn damage(&self) -> Damage {
        self.container.damage()
    }
}

#[cfg(test)]
mod lies;
#[cfg(test)]
mod tests;
