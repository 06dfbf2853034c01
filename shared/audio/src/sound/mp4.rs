//! MPEG-4 files (`.m4a`, `.mp4`, `.mov`, `.3gp`): nested boxes, and an index that locates each packet, or one index in
//! each of many fragments. The index is often at the end and may have any size, so it is not loaded: it is read in
//! place, piece by piece, together with the packets.
//!
//! Every byte of the file belongs to a known box or to a packet; all others count as dropped.

mod entry;
mod index;
mod packets;
mod promises;
mod search;
mod table;

use std::io::{BufReader, Read, SeekFrom};

use self::entry::Described;
use self::index::{Run, Track};
use self::promises::{Promises, Skipped};
use self::table::{File, Mp4Box, go, number, read_box};
use super::limits::{MOST_FILLER, is_filler};
use super::parts::{Edge, Part, Parts, Timestamp, micros};
use crate::error::AudioError;
use crate::frames::Damage;
use crate::input::Ranges;

const BUFFER: usize = 64 * 1024;
/// The longest packet; a longer one is damage. 65,536 samples of two channels with 24 bits would fit.
const MOST_PACKET: u64 = 512 * 1024;
/// The longest unfinished packet at the end of a file: a recorder that stops leaves a packet of some hundred bytes, or
/// one of ALAC or FLAC. A packet that claims to be longer has a wrong size.
const MOST_UNFINISHED: u64 = 64 * 1024;
/// Each uncompressed sample is a packet of its own; they are returned in pieces of this size.
const PIECE: u64 = 16 * 1024;
/// The most boxes without a packet between them. Each may cost a jump in the file.
const MOST_BOXES: u32 = 1_000;
/// The most jumps back to an earlier packet. Packets are usually in order, and each jump back may reopen the file in
/// remote storage.
const MOST_JUMPS_BACK: u32 = 64;
/// Boxes up to this size that are not entered are searched for a fragment.
const MOST_LOOKED_THROUGH: u64 = 1024 * 1024;

/// How far the time of fragments may run ahead of the audio in them, because clocks of recorders stall. Where numbers
/// of fragments are missing, a time that fits to a packet proves that no audio is missing: fragments of tracks that
/// were removed had numbers too.
const MOST_GAP_US: u64 = 1_000_000;
const MOST_GAP_BY_NUMBER_US: u64 = 150_000;

const NO_INDEX: AudioError =
    AudioError::Unreadable("the MP4 file has no index of readable audio: it is cut off, or of an unknown kind");

pub(super) struct Mp4<'r> {
    file: File<'r>,
    length: u64,
    /// The position of the next box, and the start of the file that it belongs to; files may follow one another.
    next_box: u64,
    base: u64,
    /// A new index may follow an `ftyp`.
    expects_index: bool,
    boxes: u32,
    tracks: Vec<Track>,
    /// The track that is read, if there is one.
    read: Option<usize>,
    given: bool,
    source: Source,
    at: u64,
    /// The end of the last packet.
    end: u64,
    jumps_back: u32,
    /// Bytes of known boxes, and of packets that were returned or hold no sound.
    known: u64,
    longest: u64,
    promises: Promises,
    /// The time of the next packet.
    time: Option<Timestamp>,
    /// What the index promises behind the end of the file, and how much of that is one packet.
    damage: Damage,
    over: bool,
}

/// Where the positions of packets come from.
enum Source {
    None,
    /// The index: the next packet, the next chunk of packets, the run of chunks, and the packets left in the chunk.
    Index {
        packet: u64,
        chunk: u64,
        run: u64,
        in_chunk: u64,
    },
    /// The remaining runs of a fragment, and the next packet of the first run.
    Fragment {
        runs: std::collections::VecDeque<Run>,
        packet: u64,
    },
}

/// Parses a run: its first chunk, and the number of packets in each of its chunks.
fn run(bytes: &[u8]) -> (u64, u64) {
    (number(&bytes[..4]), number(&bytes[4..8]))
}

impl<'r> Mp4<'r> {
    /// Opens the file that begins at this byte.
    pub fn open(ranges: &'r mut dyn Ranges, at: u64) -> Result<Self, AudioError> {
        let length = ranges.seek(SeekFrom::End(0))?;
        Ok(Self {
            file: BufReader::with_capacity(BUFFER, ranges),
            length,
            next_box: at,
            base: at,
            expects_index: true,
            boxes: 0,
            tracks: Vec::new(),
            read: None,
            given: false,
            source: Source::None,
            at: 0,
            end: 0,
            jumps_back: 0,
            known: 0,
            longest: 0,
            promises: Promises::default(),
            time: None,
            damage: Damage::default(),
            over: false,
        })
    }

    /// Reads the next box of the file. Returns a stream if the box begins one, otherwise `None`.
    fn next_box(&mut self) -> Result<Option<Part>, AudioError> {
        self.boxes += 1;
        if self.boxes <= MOST_BOXES && self.pass_filler()? {
            return Ok(None);
        }
        let found = match read_box(&mut self.file, &(self.next_box..self.length))? {
            Some(found) if self.boxes <= MOST_BOXES && is_printed(found.kind) => found,
            _ if self.boxes > MOST_BOXES || !self.resync(self.next_box + 1)? => {
                self.next_box = self.length;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        self.next_box = found.body.end;
        match &found.kind {
            b"ftyp" => {
                (self.base, self.expects_index) = (found.at, true);
                self.known += self.size_of(&found);
            }
            b"moov" if self.expects_index => {
                self.expects_index = false;
                self.known += self.size_of(&found);
                return self.begin(&found);
            }
            b"moof" => {
                self.known += self.size_of(&found);
                let fragment = index::read_fragment(&mut self.file, found.at, self.base, found.body, &self.tracks)?;
                if let Some(number) = fragment.number {
                    self.promises.follow(number);
                }
                self.take_fragment(fragment.runs)?;
            }
            b"mdat" => {
                self.known += found.body.start - found.at;
                // The size is wrong, or the file is cut off: an index may be within the range that the box claims.
                if found.cut && self.expects_index {
                    self.resync(found.body.start)?;
                }
            }
            kind if is_known(kind) => {
                let size = self.size_of(&found);
                if size <= MOST_LOOKED_THROUGH && self.look_through(found.body.start, found.body.end)? {
                    return Ok(None);
                }
                self.known += size;
                match kind {
                    b"sidx" => self.promises.read_sidx(&mut self.file, &found.body)?,
                    b"mfra" => self.check_index_of_fragments(&found)?,
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// Skips zeros, if nothing else is left of the file.
    fn pass_filler(&mut self) -> Result<bool, AudioError> {
        let left = self.length.saturating_sub(self.next_box);
        if !self.given || left > MOST_FILLER as u64 {
            return Ok(false);
        }
        go(&mut self.file, self.next_box)?;
        let mut rest = Vec::new();
        (&mut self.file).take(left).read_to_end(&mut rest)?;
        if !is_filler(&rest) {
            return Ok(false);
        }
        self.known = self.known.saturating_add(left);
        self.next_box = self.length;
        Ok(true)
    }

    /// Compares the fragments that were read with the index at the end.
    fn check_index_of_fragments(&mut self, found: &Mp4Box) -> Result<(), AudioError> {
        let Some(track) = self.read.and_then(|read| self.tracks.get(read)).map(|track| track.id) else { return Ok(()) };
        let missing = self.promises.missing_by_mfra(&mut self.file, found, self.base, track)?;
        self.damage.lost(missing);
        Ok(())
    }

    fn size_of(&self, found: &Mp4Box) -> u64 {
        found.body.end.min(self.length) - found.at
    }

    /// Reads an index and begins the stream of its first track of sound.
    fn begin(&mut self, found: &Mp4Box) -> Result<Option<Part>, AudioError> {
        (self.tracks, self.read) = (index::read(&mut self.file, found.body.clone())?, None);
        let mut why = NO_INDEX;
        let mut stream = None;
        for (number, track) in self.tracks.iter().enumerate() {
            let Some(described) = track.described.as_ref().filter(|_| track.is_sound || track.is_known_sound()) else {
                continue;
            };
            match described.stream() {
                Ok(found) => {
                    (self.read, stream) = (Some(number), Some(found));
                    break;
                }
                Err(wrong) => why = wrong,
            }
        }
        let Some(mut stream) = stream else { return if self.given { Ok(None) } else { Err(why) } };
        self.count_others()?;
        let Some(track) = self.read.and_then(|read| self.tracks.get(read)) else { return Ok(None) };
        if stream.skip == 0 {
            stream.skip = in_samples(track, track.media_time);
        }
        let fragments_follow = track.packets == 0;
        self.given = true;
        self.end_of_fragments();
        self.time = (!fragments_follow).then_some(start_at(0));
        if !fragments_follow {
            self.pass_media()?;
        }
        self.source = Source::Index { packet: 0, chunk: 0, run: 0, in_chunk: 0 };
        Ok(Some(Part::Stream(stream)))
    }

    /// Skips the box that holds the packets, if it is next, because going back to it after the packets may reopen the
    /// file.
    fn pass_media(&mut self) -> Result<(), AudioError> {
        while let Some(found) = read_box(&mut self.file, &(self.next_box..self.length))? {
            match &found.kind {
                b"mdat" => self.known += found.body.start - found.at,
                b"free" | b"skip" | b"wide" => self.known += self.size_of(&found),
                _ => break,
            }
            self.next_box = found.body.end;
        }
        Ok(())
    }

    /// Counts the packets of pictures and texts as known.
    fn count_others(&mut self) -> Result<(), AudioError> {
        for number in 0..self.tracks.len() {
            if !self.is_dropped(number) && self.read != Some(number) {
                let bytes = self.tracks[number].bytes(&mut self.file)?;
                self.known = self.known.saturating_add(bytes);
            }
        }
        Ok(())
    }

    /// Whether a track holds sound that is not read. It may say something else than the track that is read, even if the
    /// file declares both to be alternatives.
    fn is_dropped(&self, number: usize) -> bool {
        let (Some(track), Some(read)) = (self.tracks.get(number), self.read) else { return true };
        track.is_sound && read != number
    }

    fn take_fragment(&mut self, runs: Vec<Run>) -> Result<(), AudioError> {
        let mut own = std::collections::VecDeque::new();
        for mut run in runs {
            match self.tracks.iter().position(|track| track.id == run.track) {
                Some(number) if self.read == Some(number) => own.push_back(run),
                Some(number) if !self.is_dropped(number) => {
                    self.known = self.known.saturating_add(run.bytes(&mut self.file)?);
                }
                _ => {}
            }
        }
        if let Some(first) = own.front() {
            let skipped = self.promises.take_fragment(first.time.is_some());
            self.time = first.time.map(|time| {
                let units = self.read.and_then(|read| self.tracks.get(read)).map_or(1, |track| track.timescale);
                let tolerance = if skipped == Skipped::Perhaps { MOST_GAP_BY_NUMBER_US } else { MOST_GAP_US };
                Timestamp { tolerance, ..start_at(micros(time, u64::from(units))) }
            });
            self.damage.beyond_packet |= skipped == Skipped::Fragments;
        }
        self.source = Source::Fragment { runs: own, packet: 0 };
        Ok(())
    }

    /// Ends the fragments of a file: numbers that are still missing count as damage.
    fn end_of_fragments(&mut self) {
        self.damage.beyond_packet |= std::mem::take(&mut self.promises).is_open();
    }
}

impl Track {
    /// The track's codec is known. Some files do not state what a track is for.
    fn is_known_sound(&self) -> bool {
        self.described.as_ref().is_some_and(|described| described.entry != entry::Entry::Unknown)
    }
}

fn start_at(micros: u64) -> Timestamp {
    Timestamp { micros, edge: Edge::Start, tolerance: MOST_GAP_US }
}

fn in_samples(track: &Track, time: u64) -> u64 {
    let rate = track.described.as_ref().map_or(0, Described::rate);
    let samples = u128::from(time) * u128::from(rate) / u128::from(track.timescale.max(1));
    samples.try_into().unwrap_or(u64::MAX)
}

fn is_printed(kind: [u8; 4]) -> bool {
    kind.iter().all(|byte| (b' '..=b'~').contains(byte) || *byte == 0xA9)
}

/// Boxes at the top level that hold no audio.
fn is_known(kind: &[u8; 4]) -> bool {
    const KNOWN: [&[u8; 4]; 17] = [
        b"free", b"skip", b"wide", b"pnot", b"udta", b"uuid", b"meta", b"moov", b"sidx", b"ssix", b"styp", b"mfra",
        b"emsg", b"prft", b"pdin", b"bloc", b"PICT",
    ];
    KNOWN.contains(&kind)
}

impl Parts for Mp4<'_> {
    fn next(&mut self, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        loop {
            if self.over {
                return Ok(None);
            }
            if let Some(size) = self.next_packet()? {
                if self.read_packet(size, packet)? {
                    let track = self.read.and_then(|read| self.tracks.get(read));
                    let until = track.and_then(|track| {
                        let time = track.duration.checked_sub(track.media_time).filter(|time| *time > 0)?;
                        Some(in_samples(track, time))
                    });
                    return Ok(Some(Part::Packet { until, time: self.time.take() }));
                }
                self.source = Source::None;
                continue;
            }
            self.source = Source::None;
            if self.next_box.saturating_add(8) > self.length {
                self.finish();
                return if self.given { Ok(None) } else { Err(NO_INDEX) };
            }
            if let Some(part) = self.next_box()? {
                return Ok(Some(part));
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

#[cfg(test)]
mod tests;
