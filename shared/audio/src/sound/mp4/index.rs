//! The index of an MP4 file: its tracks, and where each says its packets are.

use std::io::Seek;
use std::ops::Range;

use super::entry::Described;
use super::table::{File, Table, go, read_box, words};
use crate::error::AudioError;

/// The most boxes in an index. Files have some dozens, and each may cost a jump in the file.
const MOST_BOXES: u32 = 1_000;
const MOST_TRACKS: usize = 16;

/// What is known about a track.
#[derive(Default)]
pub(super) struct Track {
    pub id: u32,
    pub is_sound: bool,
    pub described: Option<Described>,
    pub timescale: u32,
    pub duration: u64,
    /// What the encoder put before the audio, in the track's time scale.
    pub media_time: u64,
    pub sizes: Table,
    /// The size of all packets; 0 if a table lists the sizes.
    pub size: u32,
    pub packets: u64,
    pub chunks: Table,
    pub runs: Table,
    /// The size of packets in fragments that do not state it.
    pub usual_size: u32,
}

impl Track {
    /// Returns the bytes of all its packets.
    pub fn bytes(&mut self, file: &mut File) -> Result<u64, AudioError> {
        if self.size > 0 {
            return Ok(self.packets.saturating_mul(u64::from(self.size)));
        }
        let mut sum = 0u64;
        for index in 0..self.sizes.count {
            sum = sum.saturating_add(self.sizes.number(file, index)?.unwrap_or(0));
        }
        Ok(sum)
    }
}

/// Reads the tracks of a `moov` box.
pub(super) fn read(file: &mut File, body: Range<u64>) -> Result<Vec<Track>, AudioError> {
    let mut index = Index { file, boxes: MOST_BOXES, tracks: Vec::new(), defaults: Vec::new() };
    index.walk(body, 1)?;
    let Index { mut tracks, defaults, .. } = index;
    for track in &mut tracks {
        // No encoder puts a second before the audio. An edit like this was made in a player and only hides what is
        // before it.
        if track.media_time > u64::from(track.timescale) {
            track.media_time = 0;
        }
        track.usual_size = defaults.iter().find(|(id, _)| *id == track.id).map_or(0, |(_, size)| *size);
    }
    Ok(tracks)
}

struct Index<'f, 'r> {
    file: &'f mut File<'r>,
    boxes: u32,
    tracks: Vec<Track>,
    defaults: Vec<(u32, u32)>,
}

impl Index<'_, '_> {
    fn walk(&mut self, mut within: Range<u64>, depth: u8) -> Result<(), AudioError> {
        while let Some(found) = read_box(self.file, &within)? {
            let Some(left) = self.boxes.checked_sub(1) else { return Ok(()) };
            self.boxes = left;
            within.start = found.body.end;
            self.open(&found.kind, found.body, depth)?;
        }
        Ok(())
    }

    fn open(&mut self, kind: &[u8; 4], body: Range<u64>, depth: u8) -> Result<(), AudioError> {
        match (kind, depth) {
            (b"trak", 1) if self.tracks.len() < MOST_TRACKS => {
                self.tracks.push(Track::default());
                self.walk(body, 2)?;
            }
            (b"mvex", 1) => self.walk(body, 9)?,
            (b"trex", 9) => {
                if let Some([_, id, _, _, size]) = self.words()?
                    && self.defaults.len() < MOST_TRACKS
                {
                    self.defaults.push((id, size));
                }
            }
            _ => {
                if let Some(mut track) = self.tracks.pop() {
                    let done = self.open_in_track(&mut track, kind, body, depth);
                    self.tracks.push(track);
                    done?;
                }
            }
        }
        Ok(())
    }

    fn walk_in(&mut self, track: &mut Track, mut within: Range<u64>, depth: u8) -> Result<(), AudioError> {
        while let Some(found) = read_box(self.file, &within)? {
            let Some(left) = self.boxes.checked_sub(1) else { return Ok(()) };
            self.boxes = left;
            within.start = found.body.end;
            self.open_in_track(track, &found.kind, found.body, depth)?;
        }
        Ok(())
    }

    fn open_in_track(
        &mut self,
        track: &mut Track,
        kind: &[u8; 4],
        body: Range<u64>,
        depth: u8,
    ) -> Result<(), AudioError> {
        match (kind, depth) {
            (b"mdia" | b"edts", 2) | (b"minf", 3) | (b"stbl", 4) => self.walk_in(track, body, depth + 1)?,
            (b"tkhd", 2) => self.read_header(track)?,
            (b"hdlr", 3) => track.is_sound |= self.words()?.is_some_and(|[_, _, kind]| kind.to_be_bytes() == *b"soun"),
            (b"mdhd", 3) => self.read_duration(track)?,
            (b"elst", 3) => self.read_edit(track)?,
            (b"stsd", 5) => self.walk_in(track, body.start.saturating_add(8).min(body.end)..body.end, 6)?,
            (_, 6) if track.described.is_none() => {
                track.described = Described::read(self.file, *kind, body)?;
            }
            (b"stsz", 5) => {
                let Some([_, size, count]) = self.words()? else { return Ok(()) };
                (track.size, track.packets) = (size, u64::from(count));
                track.sizes = Table::new(&body, body.start + 12, count, 4);
                if size == 0 {
                    track.packets = track.sizes.count;
                }
            }
            (b"stsc", 5) => track.runs = self.table(&body, 12)?,
            (b"stco", 5) => track.chunks = self.table(&body, 4)?,
            (b"co64", 5) => track.chunks = self.table(&body, 8)?,
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, body: &Range<u64>, entry: u64) -> Result<Table, AudioError> {
        let count = self.words::<2>()?.map_or(0, |[_, count]| count);
        Ok(Table::new(body, body.start + 8, count, entry))
    }

    /// Reads the id of the track.
    fn read_header(&mut self, track: &mut Track) -> Result<(), AudioError> {
        let Some([version]) = self.words()? else { return Ok(()) };
        let long = version >> 24 == 1;
        let id = if long { self.words::<5>()?.map(|words| words[4]) } else { self.words::<3>()?.map(|words| words[2]) };
        track.id = id.unwrap_or(track.id);
        Ok(())
    }

    fn read_duration(&mut self, track: &mut Track) -> Result<(), AudioError> {
        let Some([version, _, _]) = self.words()? else { return Ok(()) };
        if version >> 24 == 1 {
            let Some([_, _, timescale, high, low]) = self.words()? else { return Ok(()) };
            (track.timescale, track.duration) = (timescale, u64::from(high) << 32 | u64::from(low));
        } else if let Some([timescale, duration]) = self.words()? {
            (track.timescale, track.duration) = (timescale, u64::from(duration));
        }
        Ok(())
    }

    /// Reads the first edit, which states what a player leaves out at the start.
    fn read_edit(&mut self, track: &mut Track) -> Result<(), AudioError> {
        let Some([version, _, _]) = self.words()? else { return Ok(()) };
        let time = if version >> 24 == 1 {
            self.words::<3>()?.map(|[_, high, low]| u64::from(high) << 32 | u64::from(low))
        } else {
            self.words::<1>()?.map(|[low]| u64::from(low))
        };
        // The time of an empty edit is the greatest number.
        track.media_time = time.filter(|time| *time < u64::from(u32::MAX)).unwrap_or(0);
        Ok(())
    }

    fn words<const N: usize>(&mut self) -> Result<Option<[u32; N]>, AudioError> {
        Ok(words(self.file)?)
    }
}

/// Consecutive packets of one track in a fragment.
pub(super) struct Run {
    pub track: u32,
    sizes: Table,
    /// The offset of a packet's size in an entry; `None` if all packets have the same size.
    size_at: Option<usize>,
    size: u32,
    pub packets: u64,
    /// The position of the first packet; `None` if it follows the run before.
    pub at: Option<u64>,
    /// The time of the first packet in the track's time scale, if the fragment states it.
    pub time: Option<u64>,
}

/// The content of a `moof` box.
#[derive(Default)]
pub(super) struct Fragment {
    pub number: Option<u32>,
    pub runs: Vec<Run>,
    /// The position that the fragment states as its own, if it was moved from there.
    moved_from: Option<u64>,
}

impl Run {
    pub fn size(&mut self, file: &mut File, packet: u64) -> Result<Option<u64>, AudioError> {
        let Some(at) = self.size_at else { return Ok((packet < self.packets).then_some(u64::from(self.size))) };
        let entry = self.sizes.get(file, packet)?;
        Ok(entry.and_then(|entry| entry.get(at..at + 4)).map(super::table::number))
    }

    pub fn bytes(&mut self, file: &mut File) -> Result<u64, AudioError> {
        if self.size_at.is_none() {
            return Ok(self.packets.saturating_mul(u64::from(self.size)));
        }
        let mut sum = 0u64;
        for packet in 0..self.packets {
            sum = sum.saturating_add(self.size(file, packet)?.unwrap_or(0));
        }
        Ok(sum)
    }
}

/// Reads a `moof` box that begins at `at`. `base` is the start of the file that the fragment belongs to.
pub(super) fn read_fragment(
    file: &mut File,
    at: u64,
    base: u64,
    body: Range<u64>,
    tracks: &[Track],
) -> Result<Fragment, AudioError> {
    let (mut fragment, mut within) = (Fragment::default(), body);
    let end = within.end;
    for _ in 0..MOST_BOXES {
        let Some(found) = read_box(file, &within)? else { break };
        within.start = found.body.end;
        match &found.kind {
            b"mfhd" => fragment.number = words(file)?.map(|[_, number]| number),
            b"traf" => read_traf(file, at..end, base, found.body, tracks, &mut fragment)?,
            _ => {}
        }
    }
    Ok(fragment)
}

/// Whether this offset from the start of the fragment lies in the audio that follows it.
fn follows(file: &mut File, moof: &Range<u64>, offset: i64) -> Result<bool, AudioError> {
    let now = file.stream_position()?;
    let next = read_box(file, &(moof.end..u64::MAX))?;
    go(file, now)?;
    let place = moof.start.checked_add_signed(offset);
    Ok(next.is_some_and(|next| next.kind == *b"mdat" && place.is_some_and(|place| next.body.contains(&place))))
}

fn read_traf(
    file: &mut File,
    moof: Range<u64>,
    base: u64,
    mut within: Range<u64>,
    tracks: &[Track],
    fragment: &mut Fragment,
) -> Result<(), AudioError> {
    let (mut id, mut size, mut from, mut time) = (0, 0, moof.start, None);
    for _ in 0..MOST_BOXES {
        let Some(found) = read_box(file, &within)? else { break };
        within.start = found.body.end;
        if found.kind == *b"tfhd" {
            let Some([flags, track]) = words(file)? else { break };
            id = track;
            size = tracks.iter().find(|track| track.id == id).map_or(0, |track| track.usual_size);
            if flags & 1 != 0 {
                let Some([high, low]) = words(file)? else { break };
                from = base.saturating_add(u64::from(high) << 32 | u64::from(low));
                if fragment.moved_from == Some(from) {
                    from = moof.start;
                }
            }
            // Fields that are not needed come before the size.
            for bit in [2, 8] {
                if flags & bit != 0 && words::<1>(file)?.is_none() {
                    break;
                }
            }
            if flags & 0x10 != 0 {
                let Some([said]) = words(file)? else { break };
                size = said;
            }
        } else if found.kind == *b"tfdt" {
            let Some([version, first]) = words(file)? else { break };
            time = match version >> 24 {
                0 => Some(u64::from(first)),
                _ => words(file)?.map(|[low]| u64::from(first) << 32 | u64::from(low)),
            };
        } else if found.kind == *b"trun" && fragment.runs.len() < MOST_BOXES as usize {
            let Some([flags, count]) = words(file)? else { break };
            let mut entries = found.body.start + 8;
            let mut at = None;
            if flags & 1 != 0 {
                let Some([offset]) = words(file)? else { break };
                // The offset is signed and may point back.
                let offset = i64::from(offset.cast_signed());
                at = from.checked_add_signed(offset);
                // Programs that insert an index before fragments with absolute positions (ffmpeg's `global_sidx`) move
                // them: their audio still follows them.
                if at.is_some_and(|at| at < moof.end) && follows(file, &moof, offset)? {
                    fragment.moved_from = Some(from);
                    from = moof.start;
                    at = from.checked_add_signed(offset);
                }
                entries += 4;
            } else if fragment.runs.last().is_none_or(|run: &Run| run.track != id) {
                at = Some(from);
            }
            entries += if flags & 4 != 0 { 4 } else { 0 };
            let fields = [0x100, 0x200, 0x400, 0x800].map(|bit| u64::from(flags & bit != 0));
            let entry = 4 * fields.iter().sum::<u64>();
            go(file, found.body.start)?;
            let sizes = Table::new(&found.body, entries, count, entry.max(1));
            let size_at = (flags & 0x200 != 0).then_some(4 * fields[0] as usize);
            let packets = if size_at.is_some() { sizes.count } else { u64::from(count) };
            let sizes = if entry == 0 { Table::default() } else { sizes };
            fragment.runs.push(Run { track: id, sizes, size_at, size, packets, at, time: time.take() });
        }
    }
    Ok(())
}
