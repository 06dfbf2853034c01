//! Reads a frame file piece by piece: a little-endian u32 length, then that many bytes, again and again.
//!
//! Devices leave more than frames in it, and files arrive damaged. These are the rules:
//!
//! | found in place of a length | result |
//! |---|---|
//! | 0 or `0xFFFFFFFF` | the 4 bytes are skipped |
//! | `0xFFFFFFFB`, `FE`, `FD` | a marker of 36, 20, 16 bytes is skipped |
//! | a row of empty words of more than [`MOST_SKIPPED`] bytes ([`MOST_ERASED`] of `0xFF`) | dropped, *beyond a packet* |
//! | empty words in more than a twentieth of the file, or more markers than frames | dropped, *beyond a packet* |
//! | fewer bytes than the record needs, at the end | everything before it is kept, the rest is dropped |
//! | more than [`MAX_FRAME_BYTES`] | everything before it is kept, the rest is dropped, *beyond a packet* |
//!
//! The size of a marker is that of the whole record, its 4 tag bytes included: the firmware writes button taps as a tag
//! and 16 bytes, and the programs that read them step 20. What devices leave is short: a long row of zeros is a hole
//! that a file system left in place of frames, and a file of markers alone was read at the wrong positions. Dropped
//! bytes are counted from the first byte of the record that could not be kept to the end of the file.

use std::io::{self, Read};

use crate::packed::{Packer, Unpacker};

/// The longest frame. A greater length is damage, not a frame: no codec here needs more.
pub const MAX_FRAME_BYTES: usize = 65_536;

const LENGTH_BYTES: usize = 4;
/// The longest row of empty words, in bytes, that is skipped. A hole in a file begins and ends at a disk sector, so it
/// has at least 512 bytes, some of which belong to the frame in which it begins. No device leaves as much.
const MOST_SKIPPED: u64 = 256;
/// The longest row of `0xFF` that is skipped: the rest of a flash page that was never written.
const MOST_ERASED: u64 = 4_096;
/// Many short rows may together be at most one part in this many of the file, plus a page.
const EMPTY_SHARE: u64 = 20;
/// In a file of a few frames the markers may take this many bytes in any case.
const FEW_MARKERS: u64 = 1_024;
const ERASED: u32 = 0xFFFF_FFFF;
/// The bytes that are kept of a file that does not begin with a frame.
const HEAD: usize = 12;
/// A whole record fits, and reading on seldom has to move the bytes that are left.
const BUFFER_BYTES: usize = 2 * (LENGTH_BYTES + MAX_FRAME_BYTES);

/// What was lost of a file: what it holds or promises and could not be decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Bytes that belong to no packet, and bytes that the file promises but does not have.
    pub dropped_bytes: u64,
    /// More is missing than the one packet that a recorder leaves unfinished when it stops.
    pub beyond_packet: bool,
}

/// The frames of a file, one after another, in a buffer of fixed size.
pub struct Frames<'r> {
    read: Box<dyn Read + 'r>,
    buffer: Box<[u8]>,
    /// The bytes that were read and not yet used are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The position in the file that `buffer[end]` has.
    read_to: u64,
    over: bool,
    damage: Damage,
    skipped: Skipped,
    frames: u64,
    /// The number of bytes in these frames.
    in_frames: u64,
    head: Vec<u8>,
}

/// What was skipped because it is no frame.
#[derive(Clone, Copy, Debug, Default)]
struct Skipped {
    /// Bytes since the last frame, and whether all of them are `0xFF`.
    row: u64,
    row_is_erased: bool,
    /// Bytes of empty words and of markers in the file.
    empty: u64,
    markers: u64,
    /// Bytes of rows that were too long.
    lost: u64,
}

impl Skipped {
    fn skip(&mut self, length: u32, size: usize) {
        self.row_is_erased = length == ERASED && (self.row == 0 || self.row_is_erased);
        self.row += size as u64;
        let all = if size > LENGTH_BYTES { &mut self.markers } else { &mut self.empty };
        *all += size as u64;
    }

    fn end_row(&mut self) {
        let most = if self.row_is_erased { MOST_ERASED } else { MOST_SKIPPED };
        if self.row > most {
            self.lost += self.row;
        }
        self.row = 0;
    }
}

enum Record {
    Nothing(usize),
    Frame(usize),
    TooLong,
}

impl Record {
    fn of(length: u32) -> Self {
        match length {
            0 | 0xFFFF_FFFF => Self::Nothing(LENGTH_BYTES),
            0xFFFF_FFFB => Self::Nothing(36),
            0xFFFF_FFFE => Self::Nothing(20),
            0xFFFF_FFFD => Self::Nothing(16),
            length => match usize::try_from(length) {
                Ok(length) if length <= MAX_FRAME_BYTES => Self::Frame(length),
                _ => Self::TooLong,
            },
        }
    }
}

impl<'r> Frames<'r> {
    pub fn new(read: impl Read + 'r) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self {
            read: Box::new(read),
            buffer,
            start: 0,
            end: 0,
            read_to: 0,
            over: false,
            damage: Damage::default(),
            skipped: Skipped::default(),
            frames: 0,
            in_frames: 0,
            head: Vec::new(),
        }
    }

    /// Returns the next frame, or `None` at the end of what can be used. An error of the reader is never damage: the
    /// bytes exist but could not be fetched.
    pub fn next_frame(&mut self) -> io::Result<Option<&[u8]>> {
        while !self.over {
            let available = self.fill(LENGTH_BYTES)?;
            if available < LENGTH_BYTES {
                self.drop_rest()?;
                break;
            }
            let mut length = [0; LENGTH_BYTES];
            length.copy_from_slice(&self.buffer[self.start..self.start + LENGTH_BYTES]);
            let length = u32::from_le_bytes(length);
            match Record::of(length) {
                Record::Nothing(size) if self.fill(size)? >= size => {
                    self.skipped.skip(length, size);
                    self.start += size;
                }
                Record::Frame(size) if self.fill(LENGTH_BYTES + size)? >= LENGTH_BYTES + size => {
                    let from = self.start + LENGTH_BYTES;
                    self.start = from + size;
                    self.skipped.end_row();
                    self.frames += 1;
                    self.in_frames += (LENGTH_BYTES + size) as u64;
                    return Ok(Some(&self.buffer[from..from + size]));
                }
                Record::Nothing(_) | Record::Frame(_) => self.drop_rest()?,
                Record::TooLong => {
                    if self.frames == 0 {
                        let seen = self.fill(HEAD)?.min(HEAD);
                        self.head = self.buffer[self.start..self.start + seen].to_vec();
                    }
                    self.damage.beyond_packet = true;
                    self.drop_rest()?;
                }
            }
        }
        Ok(None)
    }

    /// The position in the file at which the next record begins.
    pub fn place(&self) -> u64 {
        self.read_to - (self.end - self.start) as u64
    }

    /// Declares that reading begins at this position of the file, behind this many frames.
    pub fn resume_at(&mut self, place: u64, frames: u64) {
        (self.read_to, self.frames) = (place, frames);
    }

    /// The counts are complete once `next_frame` has returned `None`.
    pub fn damage(&self) -> Damage {
        let mut skipped = self.skipped;
        skipped.end_row();
        let too_many = |bytes: u64, most: u64| if bytes > most { bytes } else { 0 };
        let markers = too_many(skipped.markers, self.in_frames.max(FEW_MARKERS));
        let empty = too_many(skipped.empty, self.in_frames / EMPTY_SHARE + MOST_ERASED);
        let lost = skipped.lost.max(markers).max(empty);
        Damage {
            dropped_bytes: self.damage.dropped_bytes.saturating_add(lost),
            beyond_packet: self.damage.beyond_packet || lost > 0,
        }
    }

    /// Saves the counts of skipped bytes for a run that continues here.
    pub(crate) fn pack(&self, to: &mut Packer) {
        let Skipped { row, row_is_erased, empty, markers, lost } = self.skipped;
        [row, u64::from(row_is_erased), empty, markers, lost, self.in_frames].iter().for_each(|number| to.put(*number));
    }

    pub(crate) fn unpack(&mut self, from: &mut Unpacker) -> Option<()> {
        let (row, row_is_erased) = (from.take()?, from.take_flag()?);
        let (empty, markers, lost) = (from.take()?, from.take()?, from.take()?);
        self.skipped = Skipped { row, row_is_erased, empty, markers, lost };
        self.in_frames = from.take()?;
        Some(())
    }

    /// The bytes in place of the first frame, if they cannot be a frame. The kind of file is recognised from them.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Reads on until `wanted` bytes are available or the file ends. Returns how many are available.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        if self.end - self.start < wanted && self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < wanted {
            match self.read_some()? {
                0 => break,
                got => self.end += got,
            }
        }
        Ok(self.end - self.start)
    }

    fn read_some(&mut self) -> io::Result<usize> {
        loop {
            match self.read.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reader that returns more than the buffer can hold is broken; it must not cause a panic here.
                Ok(got) => {
                    let got = got.min(self.buffer.len() - self.end);
                    self.read_to += got as u64;
                    return Ok(got);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn drop_rest(&mut self) -> io::Result<()> {
        self.over = true;
        loop {
            self.damage.dropped_bytes += (self.end - self.start) as u64;
            (self.start, self.end) = (0, 0);
            match self.read_some()? {
                0 => return Ok(()),
                got => self.end = got,
            }
        }
    }
}

#[cfg(test)]
mod tests;
