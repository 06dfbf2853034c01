//! AAC without a container, as phones write it: frames one after another, each with an ADTS header.

use super::adts_frames::{CERTAIN, HEADER, Header, MOST_FRAME, chain, is_header};
use super::id3;
use super::kinds::{Kind, is_other};
use super::limits::MOST_STREAMS;
use super::parts::{Container, Part, Stream};
use super::symphonia;
use super::window::Window;
use crate::aac::Aac;
use crate::error::AudioError;
use crate::frames::Damage;

/// The bytes that are searched at once: several frames in a row.
const SEEN: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Adts {
    header: Option<Header>,
    damage: Damage,
    gap: u64,
    streams: u32,
}

enum Found {
    /// A frame at this offset.
    Frame(Header, usize),
    /// This many bytes do not begin a frame.
    Junk(usize),
    /// At this offset is something that does not belong to an AAC stream: a tag, another file, or the end.
    Other(usize),
}

impl Adts {
    /// Looks for the next frame. A frame of the stream at the expected position needs no confirmation, because it may
    /// be the bytes behind it that are damaged.
    fn find(&self, window: &mut Window) -> Result<Found, AudioError> {
        let seen = window.peek(SEEN)?;
        let at_end = seen.len() < SEEN;
        for offset in 0..seen.len() {
            let rest = &seen[offset..];
            if is_other(rest, Kind::Adts) {
                return Ok(Found::Other(offset));
            }
            let Some(header) = Header::read(rest) else { continue };
            let due = offset == 0 && self.gap == 0;
            let fits = self.header.is_none_or(|stream| stream.kind == header.kind);
            let (count, over) = chain(rest);
            if (due && fits && count > 0) || over && count > 0 || count >= 3 {
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
        let nothing = rest.iter().all(|byte| *byte == 0) || id3::ends_file(rest);
        let unfinished = self.gap == 0 && (is_header(rest) && chain(rest).0 == 0 || size < HEADER);
        match std::mem::take(&mut self.gap) {
            0 if nothing => {}
            0 if unfinished => self.damage.unfinished(size as u64),
            gap => self.damage.lost(gap + size as u64),
        }
        Ok(())
    }
}

impl Container for Adts {
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
                    if self.header.is_none_or(|stream| stream.kind != header.kind) {
                        if self.streams == 0 && !header.is_possible() {
                            return Err(symphonia::AAC);
                        }
                        self.header = Some(header);
                        self.streams += 1;
                        return Ok(Some(Part::Stream(Stream::of(Aac::new(header.rate))?)));
                    }
                    window.take_into(header.size, packet)?;
                    return Ok(Some(Part::Packet { until: None, time: None }));
                }
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
