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
pub(crate) use self::symphonia::Symphonia;
use self::wav::Wav;
use self::window::Window;
use crate::decode::FrameDecoder;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::input::Input;
use crate::samples::{Step, Steps, decode};

/// Beyond these a rate is an accident: resampling would take more memory and time than any recording is worth.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

const IMPOSSIBLE_RATE: AudioError = AudioError::Unreadable("the file claims an impossible rate");
/// Enough to recognise a file by.
const HEAD: u64 = 12;

/// Wide enough for the largest packet of any container here.
const WINDOW: usize = 512 * 1024;

/// A packet of a container.
struct Part<'a> {
    data: &'a [u8],
    /// How long the recording is, in samples, when that is known: what the last packet holds beyond it is none of it.
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

/// Opens what a sound file holds.
pub(crate) fn open<'r>(input: Input<'r>) -> Result<Box<dyn Steps + 'r>, AudioError> {
    let steps = match input {
        Input::Ranges(ranges) => {
            let mut head = Vec::new();
            (&mut *ranges).take(HEAD).read_to_end(&mut head)?;
            if head.get(4..8) == Some(b"ftyp") {
                let mp4 = Mp4::open(ranges)?;
                let decoder = mp4.decoder()?;
                Packets::boxed(mp4, decoder)
            } else {
                ranges.seek(SeekFrom::Start(0))?;
                open_stream(Input::Ranges(ranges).stream())?
            }
        }
        Input::Stream(_) | Input::Kept(_) => open_stream(input.stream())?,
    };
    if RATES.contains(&steps.rate()) { Ok(steps) } else { Err(IMPOSSIBLE_RATE) }
}

fn open_stream<'r>(read: Box<dyn Read + 'r>) -> Result<Box<dyn Steps + 'r>, AudioError> {
    let mut window = Window::new(read, WINDOW);
    let steps: Box<dyn Steps + 'r> = match *window.peek(12)? {
        [b'R', b'I', b'F', b'F' | b'X', ..] | [b'R', b'F', b'6', b'4', ..] => Box::new(Wav::open(window)?),
        [b'f', b'L', b'a', b'C', ..] => {
            let flac = Flac::open(window)?;
            let decoder = Symphonia::flac(flac.stream_info())?;
            Packets::boxed(flac, decoder)
        }
        [b'O', b'g', b'g', b'S', ..] => ogg::open(window)?,
        [b'I', b'D', b'3', ..] | [0xFF, ..] => {
            let mp3 = Mp3::open(window)?;
            let decoder = mp3.decoder()?;
            Packets::boxed(mp3, decoder)
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
            return Err(AudioError::Unreadable("the file is an M4A file; its name has to say so"));
        }
        _ => return Err(AudioError::Unreadable("the file is not a sound file of a known kind")),
    };
    Ok(steps)
}

/// A container and its decoder.
struct Packets<C, D> {
    container: C,
    decoder: D,
    skip: u64,
    given: u64,
}

impl<C: Container, D: FrameDecoder> Packets<C, D> {
    fn boxed<'r>(container: C, decoder: D) -> Box<dyn Steps + 'r>
    where
        C: 'r,
        D: 'r,
    {
        let skip = container.skip();
        Box::new(Self { container, decoder, skip, given: 0 })
    }

    /// Takes away what an encoder added at either end.
    fn trim(&mut self, until: Option<u64>, out: &mut Vec<f32>) {
        let before = usize::try_from(self.skip).unwrap_or(usize::MAX).min(out.len());
        out.drain(..before);
        self.skip -= before as u64;
        if let Some(until) = until {
            out.truncate(usize::try_from(until.saturating_sub(self.given)).unwrap_or(usize::MAX));
        }
        self.given += out.len() as u64;
    }
}

impl<C: Container, D: FrameDecoder> Steps for Packets<C, D> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        let Some(part) = self.container.next()? else { return Ok(None) };
        let until = part.until;
        let step = decode(&mut self.decoder, part.data, out);
        if !RATES.contains(&self.decoder.rate()) {
            return Err(IMPOSSIBLE_RATE);
        }
        self.trim(until, out);
        Ok(Some(Step { concealed: step.concealed.min(out.len() as u64), ..step }))
    }

    fn damage(&self) -> Damage {
        self.container.damage()
    }
}

#[cfg(test)]
mod tests;
