//! FLAC: frames without a length, told apart by their checksums. Tags and pictures before them are skipped.

use super::window::Window;
use super::{Container, Part};
use crate::error::AudioError;
use crate::frames::Damage;

const STREAM_INFO: usize = 34;
/// The longest frame that is looked for: 65,535 samples of two channels and 24 bits, uncompressed, take 393,222 bytes.
const MOST_FRAME: usize = 448 * 1024;
/// What is looked at first, and then twice as much each time.
const FIRST_LOOK: usize = 32 * 1024;
/// A file made of nothing but headers is given up before it takes a second.
const MOST_DOUBTS: u32 = 256;
/// Of a frame's header, checksum included; at least, and at most.
const HEADER: std::ops::RangeInclusive<usize> = 6..=16;
/// The same as [`HEADER`] and a subframe, and the checksum at its end.
const SHORTEST: usize = 9;

pub(super) struct Flac<'r> {
    window: Window<'r>,
    stream_info: [u8; STREAM_INFO],
    damage: Damage,
    gap: u64,
    /// Headers that may still turn out to begin nothing: looking for the end of each takes time.
    doubts: u32,
}

impl<'r> Flac<'r> {
    /// `window` stands at `fLaC`.
    pub fn open(mut window: Window<'r>) -> Result<Self, AudioError> {
        let ends = || AudioError::Unreadable("the FLAC file ends before its audio begins");
        window.skip(4)?;
        let mut stream_info = None;
        loop {
            let [kind, a, b, c] = window.array::<4>()?.ok_or_else(ends)?;
            let mut size = u64::from(u32::from_be_bytes([0, a, b, c]));
            if kind & 0x7F == 0 && size >= STREAM_INFO as u64 {
                stream_info = Some(window.array::<STREAM_INFO>()?.ok_or_else(ends)?);
                size -= STREAM_INFO as u64;
            }
            window.skip(size)?;
            if kind & 0x80 != 0 {
                break;
            }
        }
        let stream_info =
            stream_info.ok_or(AudioError::Unreadable("the FLAC file does not say how its audio is coded"))?;
        Ok(Self { window, stream_info, damage: Damage::default(), gap: 0, doubts: MOST_DOUBTS })
    }

    pub fn stream_info(&self) -> &[u8] {
        &self.stream_info
    }

    fn given_up(&mut self) -> Result<Found, AudioError> {
        self.damage.beyond_packet = true;
        self.gap += self.window.skip(u64::MAX)?;
        Ok(Found::End(0))
    }

    /// The size of the frame that begins here: up to a place where its checksum is right, and another one or the end is.
    fn frame(&mut self) -> Result<Found, AudioError> {
        let mut look = FIRST_LOOK;
        let mut crc = Crc16::default();
        loop {
            let seen = self.window.peek(look)?;
            if seen.len() < SHORTEST {
                return Ok(Found::End(seen.len()));
            }
            if !is_header(seen) {
                let next = (1..seen.len()).find(|&at| seen[at] == 0xFF).unwrap_or(seen.len());
                return Ok(Found::Junk(next));
            }
            let over = seen.len() < look;
            // The last header in sight may be cut off.
            let certain = if over { seen.len() } else { seen.len() - HEADER.end() };
            for at in crc.covered + 2..=certain {
                crc.cover(seen, at - 2);
                let ends = seen[at - 2..at] == crc.value.to_be_bytes() && at >= SHORTEST;
                if ends && (at == seen.len() || is_header(&seen[at..]) || seen[at..].starts_with(b"TAG")) {
                    return Ok(Found::Frame(at));
                }
            }
            if over || look >= MOST_FRAME {
                // Damaged, or cut off: what follows its first byte is looked through again.
                self.doubts = self.doubts.saturating_sub(1);
                return Ok(if over && crc.headers(seen) == 0 { Found::End(seen.len()) } else { Found::Junk(1) });
            }
            look = (look * 2).min(MOST_FRAME);
        }
    }
}

enum Found {
    Frame(usize),
    /// So many bytes begin no frame.
    Junk(usize),
    End(usize),
}

impl Container for Flac<'_> {
    fn next(&mut self) -> Result<Option<Part<'_>>, AudioError> {
        loop {
            let found = if self.doubts == 0 { self.given_up()? } else { self.frame()? };
            match found {
                Found::Frame(size) => {
                    self.damage.beyond_packet |= self.gap > 0;
                    self.damage.dropped_bytes += std::mem::take(&mut self.gap);
                    // Frames say themselves how long they are: there is no padding.
                    return Ok(Some(Part { data: self.window.take(size)?, until: None }));
                }
                Found::Junk(size) => self.gap += self.window.skip(size as u64)?,
                Found::End(size) => {
                    self.gap += self.window.skip(size as u64)?;
                    self.damage.dropped_bytes += std::mem::take(&mut self.gap);
                    return Ok(None);
                }
            }
        }
    }

    fn skip(&self) -> u64 {
        0
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

/// Whether a frame's header stands here, by its checksum.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    let &[0xFF, 0xF8 | 0xF9, sizes, channels, number, ..] = bytes else { return false };
    let (block, rate) = (sizes >> 4, sizes & 0x0F);
    if block == 0 || rate == 15 || channels >> 4 > 10 || channels & 1 != 0 {
        return false;
    }
    let number = match number.leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return false,
    };
    let block = match block {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match rate {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let size = 4 + number + block + rate;
    bytes.get(size).is_some_and(|&sum| sum == crc8(&bytes[..size]))
}

fn crc8(bytes: &[u8]) -> u8 {
    let shift = |crc: u8| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| shift(crc)))
}

/// The checksum of a frame as far as it has been looked at.
#[derive(Default)]
struct Crc16 {
    value: u16,
    covered: usize,
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

impl Crc16 {
    fn cover(&mut self, bytes: &[u8], until: usize) {
        for byte in &bytes[self.covered..until] {
            self.value = self.value << 8 ^ CRC16[usize::from((self.value >> 8) as u8 ^ byte)];
        }
        self.covered = until;
    }

    /// How many headers stand behind the first byte.
    fn headers(&self, bytes: &[u8]) -> usize {
        (1..bytes.len()).filter(|&at| is_header(&bytes[at..])).count()
    }
}
