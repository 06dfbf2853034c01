//! MPEG layer III: frames one after another, tags before and behind them, and nothing else to hold on to.

use super::symphonia::Symphonia;
use super::window::Window;
use super::{Container, Part};
use crate::error::AudioError;
use crate::frames::Damage;

/// Two frames and what stands between them.
const SEEN: usize = 64 * 1024;
const HEADER: usize = 4;
/// What a decoder of this format needs before its first sample, in samples.
const DECODER_DELAY: u64 = 529;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Header {
    version: u8,
    rate: u32,
    mono: bool,
    size: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[first, second, third, fourth, ..] = bytes else { return None };
        let (version, layer) = ((second >> 3) & 3, (second >> 1) & 3);
        if first != 0xFF || second & 0xE0 != 0xE0 || version == 1 || layer != 1 {
            return None;
        }
        let kbit = match version {
            3 => [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
            _ => [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
        }[usize::from(third >> 4)];
        let rate = match version {
            3 => [44_100, 48_000, 32_000, 0],
            2 => [22_050, 24_000, 16_000, 0],
            _ => [11_025, 12_000, 8_000, 0],
        }[usize::from((third >> 2) & 3)];
        if kbit == 0 || rate == 0 {
            return None;
        }
        let slots = if version == 3 { 144_000 } else { 72_000 };
        let size = (slots * kbit / rate + u32::from((third >> 1) & 1)) as usize;
        Some(Self { version, rate, mono: fourth >> 6 == 3, size })
    }

    /// Of the same stream: what changes from frame to frame is the bit rate alone.
    fn goes_with(&self, other: &Self) -> bool {
        (self.version, self.rate) == (other.version, other.rate)
    }

    fn samples(&self) -> u64 {
        if self.version == 3 { 1152 } else { 576 }
    }

    /// Where a first frame without audio says what the file has.
    fn info_at(&self) -> usize {
        HEADER
            + match (self.version == 3, self.mono) {
                (true, false) => 32,
                (true, true) | (false, false) => 17,
                (false, true) => 9,
            }
    }
}

pub(super) fn is_header(bytes: &[u8]) -> bool {
    Header::read(bytes).is_some()
}

pub(super) struct Mp3<'r> {
    window: Window<'r>,
    first: Option<Header>,
    damage: Damage,
    /// Dropped since the last frame: in the middle if another one follows.
    gap: u64,
    pub skip: u64,
    until: Option<u64>,
}

impl<'r> Mp3<'r> {
    pub fn open(window: Window<'r>) -> Result<Self, AudioError> {
        let mut opened = Self { window, first: None, damage: Damage::default(), gap: 0, skip: 0, until: None };
        opened.skip_tags()?;
        let header = opened.find()?.ok_or(AudioError::Unreadable("no MP3 frame is in the file"))?;
        opened.read_info(header)?;
        opened.first = Some(header);
        Ok(opened)
    }

    pub fn decoder(&self) -> Result<Symphonia, AudioError> {
        let (rate, samples) = self.first.map_or((0, 0), |first| (first.rate, first.samples()));
        // At most 1,152.
        Symphonia::mp3(rate, samples as usize)
    }

    fn skip_tags(&mut self) -> Result<(), AudioError> {
        while let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = self.window.peek(10)? {
            let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F));
            self.window.skip(10 + size + if flags & 0x10 == 0 { 0 } else { 10 })?;
        }
        Ok(())
    }

    /// Goes on to the next frame: one that fits the first, and is followed by another one or by the end.
    fn find(&mut self) -> Result<Option<Header>, AudioError> {
        loop {
            let seen = self.window.peek(SEEN)?;
            let whole = |header: &Header, rest: &[u8]| match rest.get(header.size..) {
                None => false,
                Some(behind) if behind.len() < HEADER || behind.starts_with(b"TAG") || behind.starts_with(b"APE") => {
                    true
                }
                Some(behind) => Header::read(behind).is_some_and(|next| next.goes_with(header)),
            };
            let mut offset = 0;
            let found = loop {
                let rest = &seen[offset..];
                if rest.len() < HEADER {
                    break None;
                }
                let header =
                    Header::read(rest).filter(|it| self.first.as_ref().is_none_or(|first| it.goes_with(first)));
                // A frame of the stream where one is due needs no proof: what follows it may be what is damaged.
                let due = offset == 0 && self.gap == 0 && self.first.is_some();
                match header {
                    Some(header) if (due && rest.len() >= header.size) || whole(&header, rest) => break Some(header),
                    // It may be there, but cut off by the window's edge.
                    Some(header) if offset > 0 && rest.len() < header.size + HEADER && seen.len() == SEEN => {
                        break None;
                    }
                    _ => offset += 1,
                }
            };
            let (length, at_end) = (seen.len(), seen.len() < SEEN);
            if found.is_none() && at_end {
                self.ends(length)?;
                return Ok(None);
            }
            self.window.skip(offset as u64)?;
            self.gap += offset as u64;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn ends(&mut self, length: usize) -> Result<(), AudioError> {
        let rest = self.window.take(length)?;
        let tags = rest.starts_with(b"TAG") || rest.starts_with(b"APETAGEX");
        self.damage.dropped_bytes += self.gap + if tags { 0 } else { length as u64 };
        self.gap = 0;
        Ok(())
    }

    /// A first frame that holds no audio but says how much there is, and how much of it the encoder added.
    fn read_info(&mut self, header: Header) -> Result<(), AudioError> {
        let frame = self.window.peek(header.size)?;
        let Some(info) = frame.get(header.info_at()..) else { return Ok(()) };
        if !(info.starts_with(b"Xing") || info.starts_with(b"Info")) || info.len() < 8 {
            return Ok(());
        }
        let flags = info[7];
        let mut at = 8;
        let frames = (flags & 1 != 0).then(|| info.get(8..12)).flatten();
        let frames = frames.map(|b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])));
        at += [4, 4, 100, 4]
            .iter()
            .enumerate()
            .filter(|(bit, _)| flags >> bit & 1 == 1)
            .map(|(_, size)| size)
            .sum::<usize>();
        // Behind the encoder's name, among others: 12 bits of what it put before the audio, and 12 of what behind.
        if let Some(&[a, b, c]) = info.get(at + 21..at + 24) {
            let (before, behind) = (u64::from(a) << 4 | u64::from(b >> 4), u64::from(b & 0x0F) << 8 | u64::from(c));
            if before > 0 {
                self.skip = before + DECODER_DELAY;
                self.until = frames.map(|frames| (frames * header.samples()).saturating_sub(before + behind));
            }
        }
        self.window.skip(header.size as u64)?;
        Ok(())
    }
}

impl Container for Mp3<'_> {
    fn next(&mut self) -> Result<Option<Part<'_>>, AudioError> {
        let Some(header) = self.find()? else { return Ok(None) };
        if self.gap > 0 {
            self.damage.beyond_packet = true;
            self.damage.dropped_bytes += std::mem::take(&mut self.gap);
        }
        let until = self.until;
        Ok(Some(Part { data: self.window.take(header.size)?, until }))
    }

    fn skip(&self) -> u64 {
        self.skip
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
