//! WAV, AIFF and CAF files: chunks, one of which is the audio. The sizes in their headers are often wrong: a recorder
//! that lost its power wrote none, and a file over 4 GiB cannot express its own. So the actual content counts, and what
//! is not a chunk is audio.

mod headers;

use super::kinds::{HEAD, Kind, SEEN, begins, is_other, may_begin};
use super::linear::Linear;
use super::parts::{Container, Part, Stream};
use super::symphonia::Symphonia;
use super::window::Window;
use crate::error::AudioError;
use crate::frames::Damage;

/// The bytes that are returned at once.
const PIECE: usize = 16 * 1024;
/// The most bytes that are read of a chunk that describes the format.
const MOST_FORMAT: usize = 64;
/// A size from here on is one that the recorder did not know when it wrote it, or made up.
const UNKNOWN_SIZE: u64 = 0x7FFF_0000;
/// The greatest size of a chunk of unknown kind. It counts as a chunk if a known chunk, or the end of the file, follows
/// where it claims to end.
const MOST_STRANGE: usize = 256 * 1024;
/// The most bytes of all lists that do not consist of chunks. Real ones are seldom longer; if they are, the size of one
/// is wrong, and it may include the audio behind it.
const MOST_UNPROVEN: u64 = 64 * 1024;
/// The most bytes of all chunks of unknown kind, and of padding that is not uniform. If there are more, they may be
/// audio under another name.
const MOST_UNKNOWN: u64 = 4 * 1024;
/// The length of a "packet" of uncompressed samples: a fiftieth of a second.
const PACKETS_A_SECOND: u64 = 50;

/// How the audio is coded and split into packets.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Format {
    Linear(Linear),
    /// Blocks of this many bytes, each with this many samples per channel.
    Adpcm {
        microsoft: bool,
        rate: u32,
        channels: u16,
        block: usize,
        samples: u64,
    },
}

impl Format {
    fn block(&self) -> usize {
        match self {
            Self::Linear(linear) => linear.block(),
            Self::Adpcm { block, .. } => *block,
        }
        .max(1)
    }

    /// The bytes of one packet, which is how much may be missing at the end.
    fn packet(&self) -> u64 {
        match self {
            Self::Linear(linear) => u64::from(linear.rate) * linear.block() as u64 / PACKETS_A_SECOND,
            Self::Adpcm { block, .. } => *block as u64,
        }
    }

    fn stream(self) -> Result<Stream, AudioError> {
        match self {
            Self::Linear(linear) => Stream::of(linear),
            Self::Adpcm { microsoft, rate, channels, samples, .. } => {
                Stream::of(Symphonia::adpcm(microsoft, rate, channels, samples)?)
            }
        }
    }
}

pub(super) struct Chunks {
    kind: Kind,
    format: Option<Format>,
    /// The bytes left in the audio chunk; `None` for everything up to the end of the file.
    left: Option<u64>,
    begun: bool,
    /// The audio continues behind the size in the header.
    beyond: bool,
    odd: bool,
    /// The size from a 64-bit header, for chunks whose 32-bit size is too small.
    long: Option<u64>,
    /// The bytes so far of lists that are not proven to be lists, and of unknown chunks.
    unproven: u64,
    unknown: u64,
    damage: Damage,
}

impl Chunks {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            format: None,
            left: None,
            begun: false,
            beyond: false,
            odd: false,
            long: None,
            unproven: 0,
            unknown: 0,
            damage: Damage::default(),
        }
    }

    /// The length of a chunk header.
    fn header(&self) -> usize {
        if self.kind == Kind::Caf { 12 } else { 8 }
    }

    /// Parses a chunk header into kind and size.
    fn read(&self, bytes: &[u8]) -> Option<([u8; 4], u64)> {
        let (kind, rest) = bytes.split_first_chunk::<4>()?;
        let size = match self.kind {
            Kind::Caf => u64::from_be_bytes(*rest.first_chunk()?),
            Kind::Aiff => u64::from(u32::from_be_bytes(*rest.first_chunk()?)),
            _ => u64::from(u32::from_le_bytes(*rest.first_chunk()?)),
        };
        Some((*kind, size))
    }

    /// The filler behind a chunk of this size: in most of these files chunks begin at even bytes.
    fn filler(&self, size: u64) -> u64 {
        if self.kind == Kind::Caf { 0 } else { size & 1 }
    }

    fn audio(&self) -> &'static [u8; 4] {
        if self.kind == Kind::Aiff { b"SSND" } else { b"data" }
    }

    /// Skips everything before the audio.
    fn begin(&mut self, window: &mut Window) -> Result<Stream, AudioError> {
        window.skip(if self.kind == Kind::Caf { 8 } else { 12 })?;
        loop {
            let header = window.take(self.header())?;
            let Some((kind, size)) = self.read(header) else {
                return Err(AudioError::Unreadable("the file ends before its audio begins"));
            };
            if kind == *self.audio() {
                self.enter(size, window)?;
                let format =
                    self.format.ok_or(AudioError::Unreadable("the file does not say how its audio is coded"))?;
                return format.stream();
            }
            let wanted = usize::try_from(size).unwrap_or(MOST_FORMAT).min(MOST_FORMAT);
            let body = window.peek(wanted)?;
            match (self.kind, &kind) {
                (Kind::Wav, b"fmt ") => self.format = Some(headers::wav(body)?),
                (Kind::Wav, b"ds64") => {
                    self.long = body.get(8..16).and_then(|long| long.try_into().ok()).map(u64::from_le_bytes)
                }
                (Kind::Aiff, b"COMM") => self.format = Some(headers::aiff(body)?),
                (Kind::Caf, b"desc") => self.format = Some(headers::caf(body)?),
                _ => {}
            }
            let got = self.pass(kind, size, window)?;
            window.skip(if got == size { self.filler(size) } else { 0 })?;
        }
    }

    /// Skips the body of a chunk that is not audio. Returns how long it is.
    fn pass(&mut self, kind: [u8; 4], size: u64, window: &mut Window) -> Result<u64, AudioError> {
        if self.kind == Kind::Wav && matches!(&kind, b"LIST" | b"list") {
            return self.pass_list(size, window);
        }
        let uniform = headers::is_padding(kind);
        let (mut got, mut same, first) = (0, true, window.peek(1)?.first().copied());
        while got < size {
            let step = usize::try_from(size - got).unwrap_or(PIECE).min(PIECE);
            let piece = window.take(step)?;
            same = same && (!uniform || piece.iter().all(|byte| Some(*byte) == first));
            if piece.is_empty() {
                break;
            }
            got += piece.len() as u64;
        }
        if !(same && headers::is_known(kind)) {
            self.unknown = self.unknown.saturating_add(got);
            if self.unknown > MOST_UNKNOWN {
                self.damage.lost(got);
            }
        }
        Ok(got)
    }

    /// Skips a list, which has a kind and then chunks of its own. None of them may be audio.
    fn pass_list(&mut self, size: u64, window: &mut Window) -> Result<u64, AudioError> {
        let header = self.header() as u64;
        let mut left = size - window.skip(size.min(4))?;
        let (mut proven, mut has_audio) = (true, false);
        while left >= header {
            let Some((kind, inner)) = self.read(window.peek(self.header())?) else { break };
            has_audio |= kind == *self.audio() && inner > 0;
            proven = is_printed(kind) && inner <= (left - header).min(MOST_UNPROVEN);
            if has_audio || !proven {
                break;
            }
            left -= window.skip((header + inner + self.filler(inner)).min(left))?;
        }
        left -= window.skip(left)?;
        if !proven {
            self.unproven = self.unproven.saturating_add(size - left);
        }
        if has_audio || !proven && self.unproven > MOST_UNPROVEN {
            self.damage.lost(size - left);
        }
        Ok(size - left)
    }

    /// Enters a chunk of audio and moves to its first byte.
    fn enter(&mut self, size: u64, window: &mut Window) -> Result<(), AudioError> {
        let size = match self.long.take() {
            Some(long) if size == u64::from(u32::MAX) => long,
            _ => size,
        };
        let before = match self.kind {
            Kind::Aiff => {
                let offset = window.array::<8>()?.map_or(0, |[a, b, c, d, ..]| u32::from_be_bytes([a, b, c, d]));
                // No recorder aligns the audio; believing a great offset would hide audio.
                8 + if u64::from(offset) < 4096 { window.skip(u64::from(offset))? } else { 0 }
            }
            Kind::Caf => window.skip(4)?,
            _ => 0,
        };
        let known = if self.kind == Kind::Caf { size < u64::MAX / 2 } else { size < UNKNOWN_SIZE };
        self.left =
            (known || size > u64::from(u32::MAX) && self.kind == Kind::Wav).then(|| size.saturating_sub(before));
        self.odd = self.filler(size) == 1;
        Ok(())
    }

    /// Continues behind the audio: skips chunks of other kinds up to more audio. What is not a chunk is audio that the
    /// header does not include, because it was written before the recording was over.
    fn behind(&mut self, window: &mut Window) -> Result<bool, AudioError> {
        loop {
            // Not every recorder inserts the filler byte.
            if std::mem::take(&mut self.odd) && window.peek(1)? == [0] {
                window.skip(1)?;
            }
            let seen = window.peek(SEEN)?;
            if seen.len() < self.header() {
                window.skip(self.header() as u64)?;
                return Ok(false);
            }
            if begins(seen).is_some() || is_other(seen, self.kind) {
                return Ok(false);
            }
            let seen = &seen[..self.header()];
            match self.read(seen) {
                Some((kind, size)) if kind == *self.audio() && size > 0 => {
                    window.skip(self.header() as u64)?;
                    self.enter(size, window)?;
                    return Ok(true);
                }
                Some(_) if self.is_chunk(0, window)? => {
                    let (kind, size) = self.read(window.peek(self.header())?).unwrap_or_default();
                    let header = window.skip(self.header() as u64)?;
                    let got = self.pass(kind, size, window)?;
                    if got < size {
                        // The chunk claims to be longer than the file, so its content may have been audio.
                        self.damage.lost(header + got);
                    }
                    self.odd = self.filler(size) == 1;
                }
                _ => {
                    (self.left, self.beyond) = (None, true);
                    return Ok(true);
                }
            }
        }
    }

    /// Whether there is a chunk at this offset, and not audio that looks like one.
    fn is_chunk(&self, at: usize, window: &mut Window) -> Result<bool, AudioError> {
        let header = window.peek(at + self.header())?.get(at..).and_then(|header| self.read(header));
        let Some((kind, size)) = header else { return Ok(false) };
        if headers::is_known(kind) || kind == *self.audio() {
            return Ok(true);
        }
        let Some(size) = usize::try_from(size).ok().filter(|size| *size < MOST_STRANGE) else { return Ok(false) };
        if !is_printed(kind) {
            return Ok(false);
        }
        let end = at + self.header() + size;
        let filler = self.filler(size as u64) as usize;
        let seen = window.peek(end + filler + self.header())?;
        // The filler may be missing.
        let goes_on = |at: usize| match seen.get(at..) {
            Some([]) => true,
            Some(behind) => self.read(behind).is_some_and(|(kind, _)| headers::is_known(kind) || kind == *self.audio()),
            None => false,
        };
        Ok(goes_on(end) || goes_on(end + filler))
    }

    /// The audio's size is not a whole number of blocks: the rest is an unfinished block, unless the audio continues.
    fn end_within_block(&mut self, rest: usize, window: &mut Window) -> Result<(), AudioError> {
        let behind = window.peek(rest + SEEN)?.get(rest..).unwrap_or_default();
        let over = behind.len() < self.header() || begins(behind).is_some() || is_other(behind, self.kind);
        if over || self.is_chunk(rest, window)? {
            let rest = window.skip(rest as u64)?;
            self.damage.unfinished(rest);
            self.left = Some(0);
        } else {
            (self.left, self.beyond) = (None, true);
        }
        Ok(())
    }
}

impl Chunks {
    /// Reads the next piece of audio. Returns false if there is none, or none left in this chunk.
    fn piece(&mut self, format: Format, window: &mut Window, packet: &mut Vec<u8>) -> Result<bool, AudioError> {
        let block = format.block();
        let most = match format {
            Format::Linear(_) => (PIECE / block).max(1) * block,
            Format::Adpcm { .. } => block,
        };
        // Only whole blocks are read; the rest of the last block is handled separately.
        let wanted = self.left.map_or(most, |left| usize::try_from(left).unwrap_or(most).min(most) / block * block);
        let behind = if self.beyond { SEEN } else { HEAD as usize };
        let seen = window.peek(wanted + behind)?;
        // Frames without a container are recognised by standing in a row.
        let frames = |at: &usize| self.beyond && seen[*at] == 0xFF && is_other(&seen[*at..], self.kind);
        let within = seen.len().min(wanted);
        let file = next_file(&seen[..seen.len().min(wanted + HEAD as usize)], self.beyond);
        let next = (1..file.unwrap_or(within).min(within)).find(frames).or(file);
        let here = seen.len().min(wanted).min(next.unwrap_or(usize::MAX));
        window.take_into(here / block * block, packet)?;
        self.left = self.left.map(|left| left - packet.len() as u64);
        if here < wanted {
            let rest = window.skip((here % block) as u64)?;
            self.damage.unfinished(rest);
            // The file is shorter than it claims.
            let missing = self.left.unwrap_or(0).saturating_sub(rest);
            match missing > format.packet() {
                true => self.damage.lost(missing),
                false => self.damage.unfinished(missing),
            }
            self.left = Some(0);
        }
        Ok(!packet.is_empty())
    }
}

fn is_printed(kind: [u8; 4]) -> bool {
    kind.iter().all(|byte| (b' '..=b'~').contains(byte))
}

impl Container for Chunks {
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError> {
        if !std::mem::replace(&mut self.begun, true) {
            return Ok(Some(Part::Stream(self.begin(window)?)));
        }
        let Some(format) = self.format else { return Ok(None) };
        loop {
            if self.left == Some(0) && !self.behind(window)? {
                return Ok(None);
            }
            let block = format.block();
            if let Some(rest) =
                self.left.and_then(|left| usize::try_from(left).ok()).filter(|left| (1..block).contains(left))
            {
                self.end_within_block(rest, window)?;
                continue;
            }
            if self.piece(format, window, packet)? {
                return Ok(Some(Part::Packet { until: None, time: None }));
            }
        }
    }

    fn damage(&self) -> Damage {
        self.damage
    }
}

/// Finds where another file begins, although this one claims that it is longer, or that it has ended. Within the size
/// in the header, the signatures of the other kinds are too short to be told from audio.
fn next_file(seen: &[u8], any: bool) -> Option<usize> {
    (1..seen.len()).find(|&at| {
        let here = &seen[at..];
        let may = if any { may_begin(here[0]) } else { matches!(here[0], b'R' | b'F' | b'c') };
        may && begins(here).is_some_and(|kind| any || matches!(kind, Kind::Wav | Kind::Aiff | Kind::Caf))
    })
}
