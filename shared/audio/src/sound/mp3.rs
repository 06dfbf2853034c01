//! MPEG audio, layers II and III: frames one after another, with tags before, between and behind them, and no
//! container.

use super::kinds::{Kind, is_other};
use super::limits::MOST_STREAMS;
use super::mp3_frames::{CERTAIN, HEADER, Header, LAYER_II, LAYER_III, MOST_FRAME, chain, is_header};
use super::parts::{Container, Part, Stream};
use super::symphonia::Symphonia;
use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;

/// The bytes that are searched at once: two frames and what stands between them.
const SEEN: usize = 64 * 1024;
/// The delay of an MP3 decoder before its first sample, in samples.
const DECODER_DELAY: u64 = 529;

#[derive(Default)]
pub(super) struct Mp3 {
    /// The header of the stream that is read.
    header: Option<Header>,
    damage: Damage,
    /// The bytes dropped since the last frame.
    gap: u64,
    until: Option<u64>,
    streams: u32,
}

enum Found {
    /// A frame at this offset.
    Frame(Header, usize),
    /// This many bytes do not begin a frame.
    Junk(usize),
    /// At this offset is something that does not belong to an MP3 stream: a tag, another file, or the end.
    Other(usize),
}

impl Mp3 {
    /// Looks for the next frame. A frame of the stream at the expected position needs no confirmation, because it may
    /// be the bytes behind it that are damaged.
    fn find(&self, window: &mut Window) -> Result<Found, AudioError> {
        let seen = window.peek(SEEN)?;
        let at_end = seen.len() < SEEN;
        for offset in 0..seen.len() {
            let rest = &seen[offset..];
            if is_other(rest, Kind::Mp3) {
                return Ok(Found::Other(offset));
            }
            let Some(header) = Header::read(rest) else { continue };
            let due = offset == 0 && self.gap == 0;
            let fits = self.header.is_none_or(|stream| stream.goes_with(&header));
            let (count, over) = chain(rest);
            let proven = over && count > 0 || count > usize::from(!fits) + 1;
            if (due && fits && rest.len() >= header.size) || proven {
                return Ok(Found::Frame(header, offset));
            }
            // There may be a frame that is cut off by the edge of the window.
            if offset > 0 && !at_end && rest.len() < CERTAIN * MOST_FRAME {
                return Ok(Found::Junk(offset));
            }
        }
        Ok(if at_end { Found::Other(seen.len()) } else { Found::Junk(seen.len()) })
    }

    /// Handles the bytes between the last frame and the end, or another file.
    fn end(&mut self, size: usize, window: &mut Window) -> Result<(), AudioError> {
        let rest = window.take(size)?;
        let tags = rest.starts_with(b"TAG") || rest.starts_with(b"APETAGEX") || rest.iter().all(|byte| *byte == 0);
        let unfinished = self.gap == 0 && size < MOST_FRAME && (is_header(rest) || size < HEADER);
        match std::mem::take(&mut self.gap) {
            0 if tags => {}
            0 if unfinished => self.damage.unfinished(size as u64),
            gap => self.damage.lost(gap + size as u64),
        }
        Ok(())
    }

    fn begin(&mut self, header: Header, window: &mut Window) -> Result<Stream, AudioError> {
        // At most 1,152, so this fits.
        let samples = header.samples() as usize;
        let decoder = match header.layer {
            LAYER_II => Symphonia::mp2(header.rate, samples)?,
            _ => Symphonia::mp3(header.rate, samples)?,
        };
        let mut stream = Stream::of(decoder)?;
        self.until = None;
        self.header = Some(header);
        self.streams += 1;
        if header.layer == LAYER_III {
            self.read_info(header, window, &mut stream)?;
        }
        Ok(stream)
    }

    /// Reads a first frame that holds no audio but states how much there is, and how much of it the encoder added.
    fn read_info(&mut self, header: Header, window: &mut Window, stream: &mut Stream) -> Result<(), AudioError> {
        let frame = window.peek(header.size)?;
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
        // Behind the encoder's name are 12 bits with the padding before the audio and 12 bits with the padding behind
        // it.
        if let Some(&[a, b, c]) = info.get(at + 21..at + 24) {
            let (before, behind) = (u64::from(a) << 4 | u64::from(b >> 4), u64::from(b & 0x0F) << 8 | u64::from(c));
            if before > 0 {
                stream.skip = before + DECODER_DELAY;
                self.until = frames.map(|frames| (frames * header.samples()).saturating_sub(before + behind));
            }
        }
        // Some encoders count the frame that holds this information.
        stream.promised =
            frames.map(|frames| (frames.saturating_sub(1) * header.samples()).saturating_sub(stream.skip));
        window.skip(header.size as u64)?;
        Ok(())
    }
}

impl Container for Mp3 {
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        loop {
            if self.streams > MOST_STREAMS {
                let rest = window.skip(u64::MAX)?;
                self.damage.lost(rest);
            }
            match self.find(window)? {
                Found::Junk(size) => self.gap += window.skip(size as u64)?,
                Found::Other(size) => {
                    self.end(size, window)?;
                    return Ok(None);
                }
                Found::Frame(header, offset) => {
                    let junk = window.skip(offset as u64)?;
                    self.damage.lost(std::mem::take(&mut self.gap) + junk);
                    if !self.header.is_some_and(|stream| stream.goes_with(&header)) {
                        return Ok(Some(Part::Stream(self.begin(header, window)?)));
                    }
                    window.take_into(header.size, packet)?;
                    return Ok(Some(Part::Packet { until: self.until, time: None }));
                }
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
