//! RIFF WAVE: uncompressed samples, or G.711. The sizes in its headers are often wrong (a recorder that lost its power
//! wrote none, a file over 4 GiB cannot say its own): what counts is what is there.

use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::mulaw;
use crate::samples::{Step, Steps};

/// Bytes decoded in a step.
const PIECE: usize = 16 * 1024;
const EXTENSIBLE: u16 = 0xFFFE;
const MOST_CHANNELS: u16 = 32;
/// What a chunk begins with: its kind and its size.
const CHUNK: usize = 8;

#[derive(Clone, Copy)]
enum Coding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
    Mulaw,
    Alaw,
}

impl Coding {
    fn of(tag: u16, bits: u16) -> Option<Self> {
        match (tag, bits) {
            (1, 8) => Some(Self::U8),
            (1, 16) => Some(Self::I16),
            (1, 24) => Some(Self::I24),
            (1, 32) => Some(Self::I32),
            (3, 32) => Some(Self::F32),
            (3, 64) => Some(Self::F64),
            (6, 8) => Some(Self::Alaw),
            (7, 8) => Some(Self::Mulaw),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::Mulaw | Self::Alaw => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::Mulaw, &[a]) => f32::from(mulaw::expand(a)) / 32_768.0,
            (Self::Alaw, &[a]) => f32::from(expand_alaw(a)) / 32_768.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::I24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => finite(f32::from_le_bytes([a, b, c, d])),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => finite(f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32),
            _ => 0.0,
        }
    }
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample } else { 0.0 }
}

/// G.711 A-law: every other bit is sent inverted.
fn expand_alaw(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (exponent, mantissa) = ((bits >> 4) & 7, i16::from(bits & 0x0F) << 4);
    let size = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if bits & 0x80 == 0 { -size } else { size }
}

pub(super) struct Wav<'r> {
    window: Window<'r>,
    coding: Coding,
    channels: usize,
    rate: u32,
    left: u64,
    odd: bool,
    damage: Damage,
}

impl<'r> Wav<'r> {
    /// `window` stands at `RIFF`.
    pub fn open(mut window: Window<'r>) -> Result<Self, AudioError> {
        window.skip(12)?;
        let mut format = None;
        loop {
            let Some([a, b, c, d, size @ ..]) = window.array::<CHUNK>()? else {
                return Err(AudioError::Unreadable("the WAV file ends before its audio begins"));
            };
            let size = u32::from_le_bytes(size);
            match [a, b, c, d] {
                [b'f', b'm', b't', b' '] => format = Some(read_format(&mut window, size)?),
                [b'd', b'a', b't', b'a'] => {
                    let Some((coding, channels, rate)) = format else {
                        return Err(AudioError::Unreadable("the WAV file does not say how its audio is coded"));
                    };
                    // Nothing and the maximum stand for "not known when this was written".
                    let left = if size == 0 || size == u32::MAX { u64::MAX } else { u64::from(size) };
                    let (odd, damage) = (size & 1 == 1, Damage::default());
                    return Ok(Self { window, coding, channels, rate, left, odd, damage });
                }
                _ => skip_chunk(&mut window, size)?,
            }
        }
    }
}

impl Wav<'_> {
    /// Behind the audio: goes on to more of it, over chunks of other kinds. What is no chunk is audio that the file's
    /// header does not know of: it was written before the recording was over.
    fn next_audio(&mut self) -> Result<bool, AudioError> {
        loop {
            let seen = self.window.peek(CHUNK)?;
            if seen.len() < CHUNK {
                return Ok(false);
            }
            let (kind, size) = (&seen[..4], u32::from_le_bytes([seen[4], seen[5], seen[6], seen[7]]));
            if !kind.iter().all(|byte| (b' '..=b'~').contains(byte)) {
                self.damage.beyond_packet = true;
                self.damage.dropped_bytes += self.window.skip(u64::MAX)?;
                return Ok(false);
            }
            let more = kind == b"data" && size > 0;
            self.window.skip(CHUNK as u64)?;
            if more {
                (self.left, self.odd) = (u64::from(size), size & 1 == 1);
                return Ok(true);
            }
            skip_chunk(&mut self.window, size)?;
        }
    }

    /// Chunks begin at even bytes; not every recorder knows that.
    fn skip_filler(&mut self) -> Result<(), AudioError> {
        if std::mem::take(&mut self.odd) && self.window.peek(1)? == [0] {
            self.window.skip(1)?;
        }
        Ok(())
    }
}

/// Chunks begin at even bytes.
fn skip_chunk(window: &mut Window, size: u32) -> Result<(), AudioError> {
    window.skip(u64::from(size) + u64::from(size & 1))?;
    Ok(())
}

fn read_format(window: &mut Window, size: u32) -> Result<(Coding, usize, u32), AudioError> {
    let wrong = AudioError::Unreadable("the WAV file has a coding that cannot be read");
    let wanted = size.min(40) as usize;
    let bytes = window.take(wanted)?.to_vec();
    skip_chunk(window, size - wanted as u32)?;
    let word = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    let (Some(tag), Some(channels), Some(low), Some(high), Some(bits)) = (word(0), word(2), word(4), word(6), word(14))
    else {
        return Err(wrong);
    };
    let tag = if tag == EXTENSIBLE { word(24).unwrap_or(tag) } else { tag };
    match Coding::of(tag, bits) {
        Some(coding) if (1..=MOST_CHANNELS).contains(&channels) => {
            Ok((coding, usize::from(channels), u32::from(low) | u32::from(high) << 16))
        }
        _ => Err(wrong),
    }
}

impl Steps for Wav<'_> {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        if self.left == 0 {
            self.skip_filler()?;
            if !self.next_audio()? {
                return Ok(None);
            }
        }
        let size = self.coding.bytes();
        let block = size * self.channels;
        let wanted = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE / block * block);
        let bytes = self.window.take(wanted)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.left -= bytes.len() as u64;
        let blocks = bytes.chunks_exact(block);
        // Only the last piece of a chunk is not a whole number of blocks.
        self.damage.dropped_bytes += blocks.remainder().len() as u64;
        let coding = self.coding;
        out.extend(blocks.flat_map(|block| block.chunks_exact(size)).map(|bytes| coding.sample(bytes)));
        Ok(Some(Step { frames: u64::from(!out.is_empty()), ..Step::default() }))
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
