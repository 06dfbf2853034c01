//! Ogg: pages with a checksum, in which packets are laced. Streams that follow one another are all read. Of streams
//! that are interleaved, the first one with audio is read, and the others count as dropped.

mod page;
mod setup;

#[cfg(test)]
pub(super) use self::page::crc;
use self::page::{HEADER, MOST_PAGE, Page};
use self::setup::Setup;
pub(super) use self::setup::vorbis_stream;
use super::kinds::{Kind, begins, is_other, may_begin};
use super::limits::{MOST_FILLER, MOST_STREAMS, is_filler};
use super::parts::{Container, Edge, Part, Timestamp};
use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;

/// The longest packet that is assembled. Audio packets have some hundred bytes, headers of Vorbis some thousand; tags
/// with a picture in them are longer, and are not needed.
const MOST_PACKET: usize = 256 * 1024;
/// The bytes of tags that are kept.
const MOST_TAGS: usize = 16;
/// The number of false pages after which a file is given up, so that a file made of nothing but headers takes less than
/// a second.
const MOST_DOUBTS: u32 = 4096;
/// How far the time of pages may run ahead of the audio. Pages count samples, so it does not happen by itself; but an
/// Opus encoder may leave out packets of silence, and libopus sends one every 400 ms.
const MOST_GAP_US: u64 = 500_000;
/// The most streams without sound that a file may have besides.
const MOST_SILENT: usize = 16;

#[derive(Default)]
pub(crate) struct Ogg {
    /// The stream that is read, and the content of its first packets.
    serial: Option<u32>,
    setup: Setup,
    /// The stream that was read before; it may turn out to continue.
    before: Option<(u32, Setup)>,
    /// Only first pages were read so far: streams that begin here are interleaved.
    beginning: bool,
    /// Streams of pictures, texts and the like.
    silent: Vec<u32>,
    sequence: u32,
    /// The sizes of the page's segments; `next` is the first that was not read.
    lacing: Vec<u8>,
    next: usize,
    /// The granule position at the end of the page, if it is the last one.
    ends_at: Option<u64>,
    /// The granule position of the last packet that ends on the page.
    granule: Option<u64>,
    packet: Vec<u8>,
    too_long: bool,
    damage: Damage,
    gap: u64,
    /// False pages; each costs a checksum over its whole length.
    doubts: u32,
    streams: u32,
}

impl Ogg {
    /// Assembles the next packet. Returns false at the end.
    fn packet(&mut self, window: &mut Window) -> Result<bool, AudioError> {
        loop {
            while let Some(&size) = self.lacing.get(self.next) {
                self.next += 1;
                let segment = window.take(usize::from(size))?;
                if segment.len() < usize::from(size) {
                    // The file ends within a page, so the rest of the page is missing too.
                    let promised = self.lacing[self.next..].iter().map(|&size| u64::from(size)).sum::<u64>();
                    self.damage.lost(promised + u64::from(size) + std::mem::take(&mut self.packet).len() as u64);
                    self.next = self.lacing.len();
                    return Ok(false);
                }
                if self.packet.len() + segment.len() <= MOST_PACKET {
                    self.packet.extend_from_slice(segment);
                } else {
                    self.too_long = true;
                }
                if size < 255 {
                    return Ok(true);
                }
            }
            if !self.page(window)? {
                self.damage.unfinished(std::mem::take(&mut self.packet).len() as u64);
                return Ok(false);
            }
        }
    }

    /// Moves to the next page of the stream, or of the next stream.
    fn page(&mut self, window: &mut Window) -> Result<bool, AudioError> {
        loop {
            let seen = window.peek(MOST_PAGE)?;
            let page = match Page::read(seen) {
                Some(page) => page,
                None if self.gap == 0 && is_filler(seen) => {
                    window.skip(MOST_FILLER as u64)?;
                    return Ok(false);
                }
                None if seen.is_empty() || is_other(seen, Kind::Ogg) => {
                    self.damage.lost(std::mem::take(&mut self.gap));
                    return Ok(false);
                }
                None => match self.no_page(window)? {
                    Some(page) => page,
                    None => continue,
                },
            };
            if self.belongs(&page, window)? {
                window.skip((HEADER + page.lacing.len()) as u64)?;
                self.follow(page);
                return Ok(true);
            }
            let size = window.skip(page.size as u64)?;
            if !self.silent.contains(&page.serial) {
                self.damage.lost(size);
            }
        }
    }

    /// Handles bytes that are not a complete page: a page that the file ends within, or bytes that are skipped.
    fn no_page(&mut self, window: &mut Window) -> Result<Option<Page>, AudioError> {
        let seen = window.peek(MOST_PAGE)?;
        if seen.starts_with(b"OggS") {
            let cut_off = seen.len() < MOST_PAGE && !(1..seen.len()).any(|at| seen[at..].starts_with(b"OggS"));
            match Page::header(seen) {
                Some(page) if cut_off && page.size > seen.len() => return Ok(Some(page)),
                None if cut_off => {
                    let rest = seen.len() as u64;
                    self.damage.unfinished(window.skip(rest)?);
                    return Ok(None);
                }
                _ => self.doubts += 1,
            }
        } else if seen.len() < HEADER && self.gap == 0 {
            let rest = seen.len() as u64;
            self.damage.unfinished(window.skip(rest)?);
            return Ok(None);
        }
        if self.doubts >= MOST_DOUBTS {
            self.gap += window.skip(u64::MAX)?;
            return Ok(None);
        }
        let seen = window.peek(MOST_PAGE)?;
        let next = (1..seen.len())
            .find(|&at| seen[at..].starts_with(b"OggS") || may_begin(seen[at]) && begins(&seen[at..]).is_some());
        // A signature may be cut off by the edge of the window.
        let step = next.unwrap_or(if seen.len() < MOST_PAGE { seen.len() } else { seen.len() - HEADER });
        self.gap += window.skip(step as u64)?;
        Ok(None)
    }

    /// Whether the page belongs to the stream that is read. A page that begins a stream makes it the one that is read,
    /// if there is none yet or if the current one is already under way.
    fn belongs(&mut self, page: &Page, window: &mut Window) -> Result<bool, AudioError> {
        if page.first {
            let body = window.peek(HEADER + page.lacing.len() + 64)?;
            let setup = Setup::of(body.get(HEADER + page.lacing.len()..).unwrap_or_default());
            let side_by_side = self.beginning && self.serial.is_some_and(|serial| serial != page.serial);
            match setup {
                Some(setup) if !side_by_side => {
                    self.lose_packet();
                    self.before = self.serial.map(|serial| (serial, std::mem::replace(&mut self.setup, setup.clone())));
                    (self.serial, self.setup, self.beginning) = (Some(page.serial), setup, true);
                    self.sequence = page.sequence;
                    self.silent.retain(|serial| *serial != page.serial);
                    return Ok(true);
                }
                None if Setup::is_silent(body.get(HEADER + page.lacing.len()..).unwrap_or_default()) => {
                    if self.silent.len() < MOST_SILENT {
                        self.silent.push(page.serial);
                    }
                    return Ok(false);
                }
                _ => return Ok(false),
            }
        }
        if self.serial == Some(page.serial) {
            self.beginning = false;
            return Ok(true);
        }
        // The stream before was not over and continues; the other one was inserted within it.
        match self.before.take_if(|(serial, _)| *serial == page.serial) {
            Some((serial, setup)) => {
                self.lose_packet();
                self.damage.beyond_packet = true;
                (self.serial, self.setup) = (Some(serial), setup.again());
                self.beginning = false;
                self.sequence = page.sequence;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Drops the packet that was begun, because it has no end.
    fn lose_packet(&mut self) {
        self.damage.lost(std::mem::take(&mut self.packet).len() as u64);
        self.too_long = false;
    }

    /// The page's time for the packet that was just assembled, if that is the last one on the page.
    fn time(&self) -> Option<Timestamp> {
        let more_end_here = self.lacing.iter().skip(self.next).any(|&size| size < 255);
        let granule = self.granule.filter(|_| !more_end_here)?;
        let micros = self.setup.micros(granule)?;
        Some(Timestamp { micros, edge: Edge::End, tolerance: MOST_GAP_US })
    }

    fn follow(&mut self, page: Page) {
        let lost = page.sequence != self.sequence || self.gap > 0;
        self.damage.lost(std::mem::take(&mut self.gap));
        // Pages are missing: a packet that was begun has no end, and a continued one has no start.
        if lost {
            self.damage.beyond_packet = true;
            self.lose_packet();
            self.too_long = page.continued;
        } else if page.continued && self.packet.is_empty() {
            self.too_long = true;
        }
        self.sequence = page.sequence.wrapping_add(1);
        // The greatest value means that no packet ends on the page.
        self.granule = (page.granule != u64::MAX).then_some(page.granule);
        self.ends_at = self.granule.filter(|_| page.last);
        (self.lacing, self.next) = (page.lacing, 0);
    }
}

impl Container for Ogg {
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        loop {
            self.packet.clear();
            self.too_long = false;
            if !self.packet(window)? {
                return match self.streams {
                    0 => Err(AudioError::Unreadable("the Ogg file holds neither Opus nor Vorbis nor FLAC")),
                    _ => Ok(None),
                };
            }
            if self.too_long {
                // Tags may be longer than the part that is kept, and are not needed.
                if !self.setup.is_tags(&self.packet) {
                    self.damage.lost(self.packet.len() as u64);
                    continue;
                }
                self.packet.truncate(MOST_TAGS);
            }
            match self.setup.take(&self.packet) {
                Ok(setup::Taken::Header) => {}
                Ok(setup::Taken::Stream(stream)) => {
                    self.streams += 1;
                    if self.streams > MOST_STREAMS {
                        let rest = window.skip(u64::MAX)?;
                        self.damage.lost(rest);
                        return Ok(None);
                    }
                    return Ok(Some(Part::Stream(stream)));
                }
                Ok(setup::Taken::Audio) if self.packet.is_empty() => {}
                Ok(setup::Taken::Audio) => {
                    std::mem::swap(packet, &mut self.packet);
                    let until = self.ends_at.map(|granule| self.setup.samples(granule));
                    return Ok(Some(Part::Packet { until, time: self.time() }));
                }
                Err(AudioError::Unreadable(_)) if self.streams > 0 => {
                    // The header of a later stream is invalid, so its packets cannot be decoded.
                    self.damage.lost(self.packet.len() as u64);
                }
                Err(why) => return Err(why),
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
