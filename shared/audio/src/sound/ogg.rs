//! Ogg: pages with a checksum, which packets are laced into. Of several streams in a file the first is read; those
//! that follow it are dropped.

use super::opus_head::OpusHead;
use super::symphonia::Symphonia;
use super::vorbis;
use super::window::Window;
use super::{Container, Opened, Packets, Part};
use crate::error::AudioError;
use crate::frames::Damage;

const HEADER: usize = 27;
/// The longest packet that is put together. Audio packets have some hundred bytes, headers of Vorbis some thousand; tags
/// with a picture in them are longer, and are not needed.
const MOST_PACKET: usize = 256 * 1024;
/// 255 segments of 255 bytes, and what stands before them.
const MOST_PAGE: usize = HEADER + 255 + 255 * 255;

/// A file made of nothing but headers is given up before it takes a second.
const MOST_DOUBTS: u32 = 4096;

pub(super) fn open<'r>(window: Window<'r>) -> Result<Opened<'r>, AudioError> {
    let wrong = || AudioError::Unreadable("the Ogg file holds neither Opus nor Vorbis");
    let mut ogg = Ogg::new(window);
    if !ogg.packet()? {
        return Err(wrong());
    }
    if let Some(head) = OpusHead::read(&ogg.packet) {
        ogg.opus = Some(head);
        // What it says of itself, whatever that is.
        ogg.packet()?;
        return Ok(Opened::Opus(ogg));
    }
    if !ogg.packet.starts_with(b"\x01vorbis") {
        return Err(wrong());
    }
    let mut headers = std::mem::take(&mut ogg.packet);
    let found = ogg.packet()? && ogg.packet()?;
    if !found || !vorbis::fits(&ogg.packet) {
        return Err(AudioError::Unreadable("the header of the audio is damaged, or of a kind that cannot be read"));
    }
    headers.extend_from_slice(&ogg.packet);
    let &[a, b, c, d] = headers.get(12..16).and_then(|rate| rate.first_chunk()).ok_or_else(wrong)?;
    let decoder = Symphonia::vorbis(&headers, u32::from_le_bytes([a, b, c, d]))?;
    Ok(Opened::Steps(Packets::boxed(ogg, decoder)))
}

pub(crate) struct Ogg<'r> {
    window: Window<'r>,
    serial: Option<u32>,
    sequence: u32,
    /// Sizes of the segments of the page that are still to be read.
    lacing: Vec<u8>,
    next: usize,
    /// What the page says of the place of its end, if it is the last one.
    ends_at: Option<u64>,
    packet: Vec<u8>,
    too_long: bool,
    /// The stream has ended: another one that follows it is dropped, and said to be.
    over: bool,
    opus: Option<OpusHead>,
    damage: Damage,
    gap: u64,
    /// Pages that may still turn out to be none: each costs a checksum of its whole length.
    doubts: u32,
}

impl<'r> Ogg<'r> {
    fn new(window: Window<'r>) -> Self {
        Self {
            window,
            serial: None,
            sequence: 0,
            lacing: Vec::new(),
            next: 0,
            ends_at: None,
            packet: Vec::new(),
            too_long: false,
            over: false,
            opus: None,
            damage: Damage::default(),
            gap: 0,
            doubts: MOST_DOUBTS,
        }
    }

    /// The next packet that is one.
    pub fn next_packet(&mut self) -> Result<Option<&[u8]>, AudioError> {
        Ok(self.next()?.map(|part| part.data))
    }

    /// What the encoder of an Opus file put before the audio, in samples.
    pub fn opus_skip(&self) -> u64 {
        self.skip()
    }

    /// Puts the next packet together; false at the end.
    fn packet(&mut self) -> Result<bool, AudioError> {
        self.packet.clear();
        self.too_long = false;
        loop {
            while let Some(&size) = self.lacing.get(self.next) {
                self.next += 1;
                let segment = self.window.take(usize::from(size))?;
                if self.packet.len() + segment.len() <= MOST_PACKET {
                    self.packet.extend_from_slice(segment);
                } else {
                    self.too_long = true;
                }
                if size < 255 {
                    return Ok(true);
                }
            }
            if !self.page()? {
                self.damage.dropped_bytes += std::mem::take(&mut self.packet).len() as u64;
                return Ok(false);
            }
        }
    }

    /// Goes on to the next page of the stream.
    fn page(&mut self) -> Result<bool, AudioError> {
        loop {
            let seen = self.window.peek(MOST_PAGE)?;
            let Some(page) = Page::read(seen) else {
                if seen.is_empty() || (seen.len() < HEADER && !seen.starts_with(b"OggS")) || is_cut_off(seen) {
                    let rest = seen.len() as u64;
                    self.damage.dropped_bytes += std::mem::take(&mut self.gap) + self.window.skip(rest)?;
                    return Ok(false);
                }
                if seen.starts_with(b"OggS") {
                    self.doubts -= 1;
                }
                if self.doubts == 0 {
                    self.damage.beyond_packet = true;
                    self.damage.dropped_bytes += std::mem::take(&mut self.gap) + self.window.skip(u64::MAX)?;
                    return Ok(false);
                }
                let next = (1..seen.len()).find(|&at| seen[at..].starts_with(b"OggS")).unwrap_or(seen.len().max(4) - 3);
                self.gap += self.window.skip(next.max(1) as u64)?;
                continue;
            };
            self.over |= page.first && self.serial == Some(page.serial);
            if self.over {
                self.damage.beyond_packet = true;
                self.damage.dropped_bytes += self.window.skip(page.size as u64)?;
                continue;
            }
            if *self.serial.get_or_insert(page.serial) != page.serial {
                self.window.skip(page.size as u64)?;
                continue;
            }
            let lacing = seen[HEADER..HEADER + page.segments].to_vec();
            self.window.skip((HEADER + page.segments) as u64)?;
            self.follow(page, lacing);
            return Ok(true);
        }
    }

    fn follow(&mut self, page: Page, lacing: Vec<u8>) {
        let lost = page.sequence != self.sequence || self.gap > 0;
        self.damage.dropped_bytes += std::mem::take(&mut self.gap);
        // Pages are missing: what was begun has no end, and what is continued has no start.
        if lost {
            self.damage.beyond_packet = true;
            self.damage.dropped_bytes += self.packet.len() as u64;
            self.packet.clear();
        }
        self.sequence = page.sequence.wrapping_add(1);
        self.over = page.last;
        self.ends_at = page.last.then_some(page.granule).filter(|granule| *granule != u64::MAX);
        (self.lacing, self.next) = (lacing, 0);
        if lost && page.continued {
            self.too_long = true;
        }
    }
}

impl Container for Ogg<'_> {
    fn next(&mut self) -> Result<Option<Part<'_>>, AudioError> {
        loop {
            if !self.packet()? {
                return Ok(None);
            }
            if self.too_long {
                self.damage.beyond_packet = true;
                self.damage.dropped_bytes += self.packet.len() as u64;
                continue;
            }
            if !self.packet.is_empty() {
                break;
            }
        }
        let until = self.ends_at.map(|granule| self.opus.as_ref().map_or(granule, |head| head.samples(granule)));
        Ok(Some(Part { data: &self.packet, until }))
    }

    fn skip(&self) -> u64 {
        self.opus.as_ref().map_or(0, OpusHead::skip)
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

struct Page {
    continued: bool,
    first: bool,
    last: bool,
    granule: u64,
    serial: u32,
    sequence: u32,
    segments: usize,
    size: usize,
}

impl Page {
    /// The page that stands here, whole and with the right checksum.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<HEADER>()?;
        let [b'O', b'g', b'g', b'S', 0, flags, rest @ ..] = *header else { return None };
        let [a, b, c, d, e, f, g, h, s0, s1, s2, s3, n0, n1, n2, n3, _, _, _, _, segments] = rest;
        let segments = usize::from(segments);
        let lacing = bytes.get(HEADER..HEADER + segments)?;
        let size = HEADER + segments + lacing.iter().map(|&size| usize::from(size)).sum::<usize>();
        let whole = bytes.get(..size)?;
        if crc(whole).to_le_bytes() != whole[22..26] {
            return None;
        }
        Some(Self {
            continued: flags & 1 != 0,
            first: flags & 2 != 0,
            last: flags & 4 != 0,
            granule: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            sequence: u32::from_le_bytes([n0, n1, n2, n3]),
            segments,
            size,
        })
    }
}

/// Whether a page begins here that the file ends within, and no other one follows.
fn is_cut_off(bytes: &[u8]) -> bool {
    bytes.len() < MOST_PAGE
        && bytes.starts_with(b"OggS")
        && !(1..bytes.len()).any(|at| bytes[at..].starts_with(b"OggS"))
}

const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04C1_1DB7 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Of a page, with the checksum's own bytes taken as 0.
pub(super) fn crc(page: &[u8]) -> u32 {
    let byte = |(at, &byte): (usize, &u8)| if (22..26).contains(&at) { 0 } else { byte };
    let step = |crc: u32, byte: u8| crc << 8 ^ CRC[usize::from((crc >> 24) as u8 ^ byte)];
    page.iter().enumerate().map(byte).fold(0, step)
}
