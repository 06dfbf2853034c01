//! Matroska and WebM: nested elements, as browsers record them (without sizes, because these are not known yet) and as
//! complete files hold them. The length of an element is believed only if the file continues behind it. Clusters and
//! groups are entered without regard to their length, and elements that are skipped are searched for a cluster.

mod element;
mod tracks;

use std::collections::VecDeque;
use std::ops::Range;

use self::element::{Element, id, vint};
use self::tracks::{Track, Tracks};
use super::kinds::{Kind, SEEN, begins, is_other, may_begin};
use super::limits::{MOST_FILLER, is_filler};
use super::parts::{Container, Edge, Part, Timestamp, micros};
use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;

/// The most bytes that are read of the codec's headers. Those of Vorbis are the longest.
const MOST_HEADER: usize = 256 * 1024;
/// The longest block of audio.
const MOST_BLOCK: usize = 256 * 1024;
const LOOK: usize = 64 * 1024;
/// How far the time of blocks may run ahead of the audio in them. An Opus encoder may leave out packets of silence, but
/// libopus sends one every 400 ms; a browser that is paused counts on from where it stopped. A live recording has times
/// of its clock, so a microphone that stalled leaves a gap as well, which differs from missing blocks only by its
/// length. Between clusters less is tolerated: whole clusters that were cut out leave the gap there, and a stall seldom
/// does.
const MOST_GAP_US: u64 = 2_000_000;
const MOST_GAP_BETWEEN_CLUSTERS_US: u64 = 700_000;
const NANOS_A_SECOND: u64 = 1_000_000_000;
/// The length of a cluster's header and that of its first child.
const CLUSTER: usize = 24;

#[derive(Default)]
pub(super) struct Matroska {
    tracks: Tracks,
    /// The block whose packets are being returned, and where they are in it.
    block: Vec<u8>,
    packets: VecDeque<Range<usize>>,
    /// The stated ends of the segment and of the cluster.
    segment_end: Option<u64>,
    cluster_end: Option<u64>,
    /// The time of the cluster, if it has one; whether none of its blocks was read so far; the time of the block.
    cluster_time: Option<u64>,
    cluster_begins: bool,
    time: Option<Timestamp>,
    begun: bool,
    gap: u64,
    damage: Damage,
}

impl Matroska {
    /// Reads one element, or skips bytes that are not an element. Returns `None` at the end and where another file
    /// begins.
    fn element(&mut self, window: &mut Window) -> Result<Option<Found>, AudioError> {
        let at = window.at();
        let seen = window.peek(CLUSTER)?;
        if seen.is_empty() {
            self.end(at, 0);
            return Ok(Some(Found::End));
        }
        if self.begun && self.gap == 0 && seen[0] == 0 && is_filler(window.peek(MOST_FILLER + 1)?) {
            window.skip(MOST_FILLER as u64)?;
            self.end(at, 0);
            return Ok(Some(Found::End));
        }
        let seen = window.peek(CLUSTER)?;
        if self.begun && (seen.starts_with(&id::EBML.to_be_bytes()) || is_other(window.peek(SEEN)?, Kind::Matroska)) {
            self.end(at, 0);
            return Ok(Some(Found::End));
        }
        let Some(element) = Element::read(window.peek(CLUSTER)?).filter(|element| self.is_due(element)) else {
            self.resync(window)?;
            return Ok(None);
        };
        self.damage.lost(std::mem::take(&mut self.gap));
        self.begun = true;
        let body = at + element.header as u64;
        let end = element.size.map(|size| body.saturating_add(size));
        // An element cannot cross the end of its cluster: one of the two has a wrong length.
        if self.cluster_end.is_some_and(|cluster| at < cluster && end.is_some_and(|end| end > cluster)) {
            self.damage.beyond_packet = true;
        }
        window.skip(element.header as u64)?;
        let size = element.size.unwrap_or(0);
        match element.id {
            id::SEGMENT => self.segment_end = end,
            id::CLUSTER => (self.cluster_end, self.cluster_time, self.cluster_begins) = (end, None, true),
            id::TIMESTAMP => {
                self.cluster_time = Some(element::number(window.peek(usize::try_from(size).unwrap_or(0).min(8))?));
                self.go_over(size, window)?;
            }
            id::BLOCK_GROUP => {}
            id::INFO => {
                self.tracks.read_info(window.peek(usize::try_from(size).unwrap_or(LOOK).min(LOOK))?);
                self.go_over(size, window)?;
            }
            id::TRACKS => return self.read_tracks(size, window),
            id::SIMPLE_BLOCK | id::BLOCK => self.read_block(size, window)?,
            _ => self.go_over(size, window)?,
        }
        Ok(None)
    }

    /// Whether an element may occur here. Only elements that are entered may have no size.
    fn is_due(&self, element: &Element) -> bool {
        match element.id {
            id::SEGMENT | id::CLUSTER => true,
            id => element.size.is_some() && id::is_known(id),
        }
    }

    fn read_tracks(&mut self, size: u64, window: &mut Window) -> Result<Option<Found>, AudioError> {
        let wanted = usize::try_from(size).unwrap_or(MOST_HEADER).min(MOST_HEADER);
        let stream = self.tracks.read(window.peek(wanted)?)?;
        self.go_over(size, window)?;
        Ok(stream.map(|stream| Found::Part(Part::Stream(stream))))
    }

    /// Skips an element, or stops where a cluster begins in it, because its length was wrong then.
    fn go_over(&mut self, size: u64, window: &mut Window) -> Result<(), AudioError> {
        let mut left = size;
        while left > 0 {
            let seen = window.peek(LOOK)?;
            if seen.is_empty() {
                self.damage.lost(left);
                break;
            }
            let within = usize::try_from(left).unwrap_or(LOOK).min(seen.len());
            let cluster = (0..within).find(|&at| element::is_cluster(&seen[at..]));
            let step = cluster.unwrap_or(if within < LOOK { within } else { LOOK - CLUSTER });
            left -= window.skip(step as u64)?.min(left);
            if cluster.is_some() {
                self.damage.beyond_packet = true;
                break;
            }
        }
        Ok(())
    }

    fn read_block(&mut self, size: u64, window: &mut Window) -> Result<(), AudioError> {
        let head = window.peek(LOOK)?;
        let track = vint(head).map(|(number, _)| self.tracks.of(number));
        match track {
            Some(Track::Read) if size <= MOST_BLOCK as u64 => {}
            // Pictures and texts are skipped.
            Some(Track::Silent) => return self.go_over(size, window),
            _ => {
                self.damage.lost(size.max(1));
                return self.go_over(size, window);
            }
        }
        let at = window.at();
        // At most `MOST_BLOCK`, so this fits.
        window.take_into(size as usize, &mut self.block)?;
        let got = self.block.len() as u64;
        if got < size {
            self.damage.unfinished(got);
            self.end(at + got, size - got);
            return Ok(());
        }
        match element::packets(&self.block) {
            Some(packets) => {
                self.time = self.block_time();
                self.packets = packets;
            }
            None => self.damage.lost(got),
        }
        Ok(())
    }

    /// The time of the block: an offset from its cluster, in two bytes with a sign.
    fn block_time(&mut self) -> Option<Timestamp> {
        let (_, width) = vint(&self.block)?;
        let behind = i16::from_be_bytes(*self.block.get(width..)?.first_chunk()?);
        let time = self.cluster_time?.checked_add_signed(i64::from(behind))?;
        let micros = micros(time.checked_mul(self.tracks.scale()?)?, NANOS_A_SECOND);
        let tolerance = match std::mem::take(&mut self.cluster_begins) {
            true => MOST_GAP_BETWEEN_CLUSTERS_US,
            false => MOST_GAP_US,
        };
        Some(Timestamp { micros, edge: Edge::Start, tolerance })
    }

    /// Skips bytes that are not an element, up to a cluster or another file.
    fn resync(&mut self, window: &mut Window) -> Result<(), AudioError> {
        let seen = window.peek(LOOK)?;
        let next = (1..seen.len()).find(|&at| {
            let here = &seen[at..];
            element::is_cluster(here) || may_begin(here[0]) && begins(here).is_some()
        });
        let step = next.unwrap_or(if seen.len() < LOOK { seen.len() } else { LOOK - CLUSTER });
        self.gap += window.skip(step as u64)?;
        Ok(())
    }

    /// Ends the file. `unfinished` bytes of a block are missing; what the file promised besides is missing too.
    fn end(&mut self, at: u64, unfinished: u64) {
        self.damage.lost(std::mem::take(&mut self.gap));
        let end = self.segment_end.take().max(self.cluster_end.take()).unwrap_or(at);
        let missing = end.saturating_sub(at).max(unfinished);
        match missing > unfinished {
            true => self.damage.lost(missing),
            false => self.damage.unfinished(missing),
        }
    }
}

enum Found {
    Part(Part),
    End,
}

impl Container for Matroska {
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        loop {
            if let Some(place) = self.packets.pop_front() {
                packet.clear();
                packet.extend_from_slice(self.block.get(place).unwrap_or_default());
                return Ok(Some(Part::Packet { until: None, time: self.time.take() }));
            }
            match self.element(window)? {
                None => {}
                Some(Found::Part(part)) => return Ok(Some(part)),
                Some(Found::End) => {
                    return if self.tracks.is_read() {
                        Ok(None)
                    } else {
                        Err(AudioError::Unreadable(
                            "the WebM or Matroska file does not say how its audio is coded, or in a way that cannot be read",
                        ))
                    };
                }
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}
