//! MPEG-4 audio files (`.m4a`): boxes in boxes, and an index that says where each packet is. The index is often at the
//! end, and may be of any size: it is read where it stands, a piece at a time, while the packets are.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::symphonia::Symphonia;
use super::{Container, Part};
use crate::aac;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::input::Ranges;

const BUFFER: usize = 64 * 1024;
/// What is read of a table at once.
const TABLE_BYTES: u64 = 64 * 1024;
/// No packet of AAC is longer: 6,144 bits for each of 8 channels.
const MOST_PACKET: u32 = 8 * 1024;
/// Files have some dozens. Each may cost a jump in the file.
const MOST_BOXES: u32 = 1_000;
/// Packets stand in their order. Each jump back may open the file anew, in a store that is far away.
const MOST_JUMPS_BACK: u32 = 64;
const MOST_CONFIG: usize = 1024;

type File<'r> = BufReader<&'r mut dyn Ranges>;

/// A table of an index: where it is, and the piece of it that is at hand.
#[derive(Default)]
struct Table {
    at: u64,
    count: u64,
    entry: u64,
    piece: Vec<u8>,
    first: u64,
}

impl Table {
    /// A table cannot have more entries than its box has room for.
    fn new(body: &Range<u64>, at: u64, count: u32, entry: u64) -> Self {
        let room = body.end.saturating_sub(at) / entry;
        Self { at, count: u64::from(count).min(room), entry, piece: Vec::new(), first: 0 }
    }

    fn get(&mut self, file: &mut File, index: u64) -> io::Result<Option<&[u8]>> {
        if index >= self.count {
            return Ok(None);
        }
        let at_hand = self.first..self.first + self.piece.len() as u64 / self.entry;
        if !at_hand.contains(&index) {
            self.piece.clear();
            self.first = index;
            go(file, self.at + index * self.entry)?;
            let rest = (self.count - index) * self.entry;
            let most = TABLE_BYTES / self.entry * self.entry;
            file.take(rest.min(most)).read_to_end(&mut self.piece)?;
        }
        let from = ((index - self.first) * self.entry) as usize;
        Ok(self.piece.get(from..from + self.entry as usize))
    }

    fn number(&mut self, file: &mut File, index: u64) -> io::Result<Option<u64>> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(self.get(file, index)?.map(number))
    }
}

/// Keeps what was read ahead, when the place is near. It lies within the file: all are checked against its length.
fn go(file: &mut File, at: u64) -> io::Result<()> {
    let now = file.stream_position()?;
    file.seek_relative(at.wrapping_sub(now).cast_signed())
}

/// What is gathered of a track.
#[derive(Default)]
struct Track {
    config: Option<Vec<u8>>,
    timescale: u32,
    duration: u64,
    /// What the encoder put before the audio, in the track's own time.
    media_time: u64,
    sizes: Table,
    /// All packets have this size, if it is not 0; then there is no table.
    size: u32,
    packets: u64,
    chunks: Table,
    runs: Table,
}

impl Track {
    fn is_whole(&self) -> bool {
        self.config.is_some() && self.packets > 0 && self.chunks.count > 0 && self.runs.count > 0
    }
}

pub(super) struct Mp4<'r> {
    file: File<'r>,
    track: Track,
    rate: u32,
    /// The next packet, and the next chunk of packets.
    packet: u64,
    chunk: u64,
    run: u64,
    in_chunk: u64,
    at: u64,
    data: Vec<u8>,
    length: u64,
    /// Packets do not share bytes: together they are no longer than the file.
    left: u64,
    /// Where the last packet ended.
    end: u64,
    jumps_back: u32,
    damage: Damage,
}

impl<'r> Mp4<'r> {
    pub fn open(ranges: &'r mut dyn Ranges) -> Result<Self, AudioError> {
        let length = ranges.seek(SeekFrom::End(0))?;
        let mut file = BufReader::with_capacity(BUFFER, ranges);
        let mut index = Index { file: &mut file, boxes: MOST_BOXES, track: Track::default(), done: None };
        index.walk(0..length, 0)?;
        let track = match index.done {
            Some(track) => track,
            None => {
                return Err(AudioError::Unreadable(
                    "no index of AAC audio is in the M4A file: it is cut off, or of a kind that cannot be read",
                ));
            }
        };
        let rate = track.config.as_deref().and_then(aac::rate_of).unwrap_or(0);
        Ok(Self {
            file,
            track,
            rate,
            packet: 0,
            chunk: 0,
            run: 0,
            in_chunk: 0,
            at: 0,
            data: Vec::new(),
            length,
            left: length,
            end: 0,
            jumps_back: 0,
            damage: Damage::default(),
        })
    }

    pub fn decoder(&self) -> Result<Symphonia, AudioError> {
        Symphonia::aac(self.track.config.as_deref().unwrap_or_default(), self.rate)
    }

    fn in_samples(&self, time: u64) -> u64 {
        let samples = u128::from(time) * u128::from(self.rate) / u128::from(self.track.timescale.max(1));
        samples.try_into().unwrap_or(u64::MAX)
    }

    /// Goes on to the next chunk that has packets.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let Self { file, track, .. } = self;
        while self.in_chunk == 0 {
            let Some(at) = track.chunks.number(file, self.chunk)? else { return Ok(false) };
            self.at = at;
            self.chunk += 1;
            // Chunks are counted from 1, and a run of equal ones lasts until the next run's first.
            let next = track.runs.get(file, self.run + 1)?.map(run);
            if next.is_some_and(|(first, _)| first <= self.chunk) {
                self.run += 1;
            }
            let Some((_, packets)) = track.runs.get(file, self.run)?.map(run) else { return Ok(false) };
            self.in_chunk = packets;
        }
        Ok(true)
    }

    fn next_size(&mut self) -> io::Result<Option<u64>> {
        if self.track.size > 0 {
            return Ok(Some(u64::from(self.track.size)));
        }
        self.track.sizes.number(&mut self.file, self.packet)
    }
}

/// The first chunk of a run, and the packets of each.
fn run(bytes: &[u8]) -> (u64, u64) {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    (number(&bytes[..4]), number(&bytes[4..8]))
}

impl Container for Mp4<'_> {
    fn next(&mut self) -> Result<Option<Part<'_>>, AudioError> {
        if self.packet >= self.track.packets || !self.next_chunk()? {
            return Ok(None);
        }
        let Some(size) = self.next_size()? else { return Ok(None) };
        self.packet += 1;
        self.in_chunk -= 1;
        self.data.clear();
        let wanted = size.min(u64::from(MOST_PACKET));
        let (Some(left), Some(next)) = (self.left.checked_sub(size), self.at.checked_add(size)) else {
            return Ok(None);
        };
        if next > self.length {
            // The index is there, and the audio ends before it says so.
            self.damage.dropped_bytes += self.length.saturating_sub(self.at);
            return Ok(None);
        }
        self.jumps_back += u32::from(self.at < self.end);
        if self.jumps_back > MOST_JUMPS_BACK {
            self.damage = Damage { dropped_bytes: self.damage.dropped_bytes + self.left, beyond_packet: true };
            self.packet = self.track.packets;
            return Ok(None);
        }
        self.end = next;
        go(&mut self.file, self.at)?;
        (&mut self.file).take(wanted).read_to_end(&mut self.data)?;
        (self.left, self.at) = (left, next);
        let until = self.track.duration.checked_sub(self.track.media_time).filter(|time| *time > 0);
        let until = until.map(|time| self.in_samples(time));
        Ok(Some(Part { data: &self.data, until }))
    }

    fn skip(&self) -> u64 {
        self.in_samples(self.track.media_time)
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

/// Walks the boxes until a track of AAC audio is found.
struct Index<'f, 'r> {
    file: &'f mut File<'r>,
    boxes: u32,
    track: Track,
    done: Option<Track>,
}

impl Index<'_, '_> {
    fn walk(&mut self, within: Range<u64>, depth: u8) -> Result<(), AudioError> {
        let mut at = within.start;
        while at + 8 <= within.end && self.done.is_none() {
            self.boxes =
                self.boxes.checked_sub(1).ok_or(AudioError::Unreadable("the M4A file is nothing but boxes"))?;
            self.go(at)?;
            let Some([a, b, c, d, kind @ ..]) = self.array::<8>()? else { return Ok(()) };
            let (mut size, mut header) = (u64::from(u32::from_be_bytes([a, b, c, d])), 8);
            if size == 1 {
                let Some(long) = self.array::<8>()? else { return Ok(()) };
                (size, header) = (u64::from_be_bytes(long), 16);
            }
            let end = if size == 0 { within.end } else { at.saturating_add(size).min(within.end) };
            if size != 0 && size < header {
                return Ok(());
            }
            self.open(&kind, at + header..end.max(at + header), depth)?;
            at = end.max(at + header);
        }
        Ok(())
    }

    fn open(&mut self, kind: &[u8; 4], body: Range<u64>, depth: u8) -> Result<(), AudioError> {
        match (kind, depth) {
            (b"moov", 0) | (b"mdia" | b"edts", 2) | (b"minf", 3) | (b"stbl", 4) => self.walk(body, depth + 1)?,
            (b"trak", 1) => {
                self.track = Track::default();
                self.walk(body, depth + 1)?;
                if self.track.is_whole() {
                    self.done = Some(std::mem::take(&mut self.track));
                }
            }
            (b"mdhd", 3) => self.read_duration()?,
            (b"elst", 3) => self.read_edit()?,
            (b"stsd", 5) => self.walk(body.start + 8..body.end, 6)?,
            (b"mp4a", 6) => self.read_entry(body)?,
            (b"esds", 7) => self.read_config(body)?,
            (b"stsz", 5) => {
                let Some([_, size, count]) = self.words()? else { return Ok(()) };
                (self.track.size, self.track.packets) = (size, u64::from(count));
                self.track.sizes = Table::new(&body, body.start + 12, count, 4);
                if size == 0 {
                    self.track.packets = self.track.sizes.count;
                }
            }
            (b"stsc", 5) => self.track.runs = self.table(&body, 12)?,
            (b"stco", 5) => self.track.chunks = self.table(&body, 4)?,
            (b"co64", 5) => self.track.chunks = self.table(&body, 8)?,
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, body: &Range<u64>, entry: u64) -> Result<Table, AudioError> {
        let count = self.words::<2>()?.map_or(0, |[_, count]| count);
        Ok(Table::new(body, body.start + 8, count, entry))
    }

    fn read_duration(&mut self) -> Result<(), AudioError> {
        let Some([version, _, _]) = self.words()? else { return Ok(()) };
        if version >> 24 == 1 {
            let Some([_, _, timescale, high, low]) = self.words()? else { return Ok(()) };
            (self.track.timescale, self.track.duration) = (timescale, u64::from(high) << 32 | u64::from(low));
        } else if let Some([timescale, duration]) = self.words()? {
            (self.track.timescale, self.track.duration) = (timescale, u64::from(duration));
        }
        Ok(())
    }

    /// The first edit says what a player leaves out at the start.
    fn read_edit(&mut self) -> Result<(), AudioError> {
        let Some([version, _, _]) = self.words()? else { return Ok(()) };
        let time = if version >> 24 == 1 {
            self.words::<3>()?.map(|[_, high, low]| u64::from(high) << 32 | u64::from(low))
        } else {
            self.words::<1>()?.map(|[low]| u64::from(low))
        };
        // An empty edit has the greatest number there is.
        self.track.media_time = time.filter(|time| *time < u64::from(u32::MAX)).unwrap_or(0);
        Ok(())
    }

    /// A version of QuickTime put more before the boxes inside.
    fn read_entry(&mut self, body: Range<u64>) -> Result<(), AudioError> {
        let Some([_, _, version]) = self.words()? else { return Ok(()) };
        let more = match version >> 16 {
            0 => 0,
            1 => 16,
            _ => 36,
        };
        self.walk(body.start + 28 + more..body.end, 7)
    }

    fn read_config(&mut self, body: Range<u64>) -> Result<(), AudioError> {
        let mut bytes = vec![0; usize::try_from(body.end - body.start).unwrap_or(MOST_CONFIG).min(MOST_CONFIG)];
        self.go(body.start)?;
        if self.read(&mut bytes)? {
            self.track.config = bytes.get(4..).and_then(config);
        }
        Ok(())
    }

    fn go(&mut self, at: u64) -> io::Result<()> {
        go(self.file, at)
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact(into) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok(self.read(&mut bytes)?.then_some(bytes))
    }

    fn words<const N: usize>(&mut self) -> io::Result<Option<[u32; N]>> {
        let mut words = [0; N];
        for word in &mut words {
            let Some(bytes) = self.array()? else { return Ok(None) };
            *word = u32::from_be_bytes(bytes);
        }
        Ok(Some(words))
    }
}

/// What stands in the innermost of three descriptors (ISO 14496-1): the decoder's own configuration.
fn config(bytes: &[u8]) -> Option<Vec<u8>> {
    let (3, stream) = descriptor(bytes)? else { return None };
    let flags = *stream.get(2)?;
    let more = if flags & 0x80 == 0 { 0 } else { 2 } + if flags & 0x20 == 0 { 0 } else { 2 };
    let (4, decoder) = descriptor(stream.get(3 + more..)?)? else { return None };
    // MPEG-4 audio.
    if *decoder.first()? != 0x40 {
        return None;
    }
    let (5, config) = descriptor(decoder.get(13..)?)? else { return None };
    Some(config.to_vec())
}

/// A descriptor's tag and body; its length has seven bits in each of up to four bytes.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    let mut size = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        (size, rest) = (size << 7 | usize::from(byte & 0x7F), after);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((tag, rest.get(..size.min(rest.len()))?))
}

#[cfg(test)]
mod tests;
