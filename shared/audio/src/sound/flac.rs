//! FLAC: frames without a stated length, whose ends are found by their checksums. Tags and pictures before them are
//! skipped.

mod number;

use self::number::Number;
use super::kinds::{Kind, begins, is_other, may_begin};
use super::parts::{Container, Part, Stream};
use super::symphonia::Symphonia;
use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;

const STREAM_INFO: usize = 34;
/// The longest frame that is searched for: 65,535 samples of two channels with 24 bits, uncompressed, take 393,222
/// bytes.
const MOST_FRAME: usize = 448 * 1024;
/// The bytes that are searched first; the search doubles them each time.
const FIRST_LOOK: usize = 32 * 1024;
/// The number of false headers after which a file is given up, so that a file made of nothing but headers takes less
/// than a second.
const MOST_DOUBTS: u32 = 256;
/// The length of a frame's header with its checksum, at least and at most.
const HEADER: std::ops::RangeInclusive<usize> = 6..=16;
/// The shortest frame: the shortest [`HEADER`], a subframe, and the checksum at the end.
const SHORTEST: usize = 9;

#[derive(Default)]
pub(super) struct Flac {
    begun: bool,
    damage: Damage,
    gap: u64,
    longest: usize,
    /// The number of the last frame.
    number: Option<Number>,
    /// Headers that turned out to begin no frame. Looking for the end of each takes time.
    doubts: u32,
}

/// Reads what stands before the frames, from `fLaC` on.
fn read_header(window: &mut Window) -> Result<[u8; STREAM_INFO], AudioError> {
    let ends = || AudioError::Unreadable("the FLAC file ends before its audio begins");
    window.skip(4)?;
    let mut stream_info = None;
    loop {
        // The length that a block claims must not hide the frames.
        if stream_info.is_some() && is_header(window.peek(*HEADER.end())?) {
            break;
        }
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
    stream_info.ok_or(AudioError::Unreadable("the FLAC file does not say how its audio is coded"))
}

/// The stream that these 34 bytes describe. They state its length, or 0.
pub(super) fn stream(stream_info: &[u8]) -> Result<Stream, AudioError> {
    let samples = stream_info
        .get(13..18)
        .map_or(0, |bytes| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) & 0xF_FFFF_FFFF);
    let stream = Stream::of(Symphonia::flac(stream_info)?)?;
    Ok(Stream { promised: (samples > 0).then_some(samples), ..stream })
}

impl Flac {
    /// Reports frames that were cut out of the file, by the numbers of the frames.
    fn follow(&mut self, frame: &[u8]) {
        let number = Number::read(frame);
        let before = std::mem::replace(&mut self.number, number);
        if number.zip(before).is_some_and(|(number, before)| number.is_behind_gap(before)) && !self.damage.beyond_packet
        {
            // At least as many bytes as one frame has.
            self.damage.lost(frame.len() as u64);
        }
    }

    fn given_up(&mut self, window: &mut Window) -> Result<Found, AudioError> {
        let rest = window.skip(u64::MAX)?;
        self.damage.lost(std::mem::take(&mut self.gap) + rest);
        Ok(Found::End(0))
    }

    /// Returns the size of the frame that begins here: up to a position where its checksum is right and another frame
    /// or the end follows.
    fn frame(&mut self, window: &mut Window) -> Result<Found, AudioError> {
        let mut look = FIRST_LOOK;
        let mut crc = Crc16::default();
        loop {
            let seen = window.peek(look)?;
            if seen.len() < SHORTEST {
                return Ok(Found::End(seen.len()));
            }
            if !is_header(seen) && (begins(seen).is_some() || is_other(seen, Kind::Flac)) {
                return Ok(Found::Other);
            }
            if !is_header(seen) {
                let next = (1..seen.len())
                    .find(|&at| seen[at] == 0xFF || may_begin(seen[at]) && begins(&seen[at..]).is_some())
                    .unwrap_or(seen.len());
                return Ok(Found::Junk(next));
            }
            let over = seen.len() < look;
            // The last header in sight may be cut off.
            let certain = if over { seen.len() } else { seen.len() - HEADER.end() };
            for at in crc.covered + 2..=certain {
                crc.cover(seen, at - 2);
                let ends = seen[at - 2..at] == crc.value.to_be_bytes() && at >= SHORTEST;
                if ends && ends_frame(&seen[at..]) {
                    return Ok(Found::Frame(at));
                }
            }
            if over || look >= MOST_FRAME {
                // The frame is damaged or cut off, so the search continues behind its first byte.
                self.doubts += 1;
                if let Some(next) = next_file(seen) {
                    return Ok(Found::Junk(next));
                }
                return Ok(if over && crc.headers(seen) == 0 { Found::End(seen.len()) } else { Found::Junk(1) });
            }
            look = (look * 2).min(MOST_FRAME);
        }
    }
}

/// Finds where another file begins behind a frame without an end.
fn next_file(seen: &[u8]) -> Option<usize> {
    (1..seen.len()).find(|&at| {
        let here = &seen[at..];
        matches!(here[0], b'I' | 0xFF) && is_other(here, Kind::Flac) || may_begin(here[0]) && begins(here).is_some()
    })
}

/// Whether these bytes may follow a frame.
fn ends_frame(behind: &[u8]) -> bool {
    behind.is_empty()
        || is_header(behind)
        || behind.starts_with(b"TAG")
        || begins(behind).is_some()
        || is_other(behind, Kind::Flac)
}

enum Found {
    Frame(usize),
    /// This many bytes do not begin a frame.
    Junk(usize),
    /// Another file begins.
    Other,
    End(usize),
}

impl Container for Flac {
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(Part::Stream(stream(&read_header(window)?)?)));
        }
        loop {
            let found = if self.doubts == MOST_DOUBTS { self.given_up(window)? } else { self.frame(window)? };
            match found {
                Found::Frame(size) => {
                    self.damage.lost(std::mem::take(&mut self.gap));
                    window.take_into(size, packet)?;
                    self.follow(packet);
                    self.longest = self.longest.max(size);
                    // FLAC has no padding: every frame states its number of samples.
                    return Ok(Some(Part::Packet { until: None, time: None }));
                }
                Found::Junk(size) => self.gap += window.skip(size as u64)?,
                Found::Other => {
                    self.damage.lost(std::mem::take(&mut self.gap));
                    return Ok(None);
                }
                Found::End(size) => {
                    let tags = window.peek(3)? == b"TAG";
                    // A frame is hardly ever much longer than all before it.
                    let short = size <= 2 * self.longest.max(FIRST_LOOK);
                    let unfinished = self.gap == 0 && short && is_header(window.peek(*HEADER.end())?);
                    let rest = window.skip(size as u64)?;
                    match std::mem::take(&mut self.gap) {
                        0 if tags => {}
                        0 if unfinished || size < SHORTEST => self.damage.unfinished(rest),
                        gap => self.damage.lost(gap + rest),
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

/// Whether there is a frame header here, by its checksum.
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

/// The checksum of the part of a frame that was examined.
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

    /// Counts the headers behind the first byte.
    fn headers(&self, bytes: &[u8]) -> usize {
        (1..bytes.len()).filter(|&at| is_header(&bytes[at..])).count()
    }
}
