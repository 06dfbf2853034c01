//! Reads an index in place, piece by piece, whatever size it claims.

use std::io::{self, BufReader, Read, Seek};
use std::ops::Range;

use crate::input::Ranges;

/// The bytes that are read of a table at once.
const TABLE_BYTES: u64 = 64 * 1024;

pub(super) type File<'r> = BufReader<&'r mut dyn Ranges>;

/// A table of an index: its position, and the piece of it that was read.
#[derive(Default)]
pub(super) struct Table {
    at: u64,
    pub count: u64,
    entry: u64,
    piece: Vec<u8>,
    first: u64,
}

impl Table {
    /// The number of entries is limited by the size of the box.
    pub fn new(body: &Range<u64>, at: u64, count: u32, entry: u64) -> Self {
        let room = body.end.saturating_sub(at) / entry.max(1);
        Self { at, count: u64::from(count).min(room), entry, piece: Vec::new(), first: 0 }
    }

    pub fn get(&mut self, file: &mut File, index: u64) -> io::Result<Option<&[u8]>> {
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

    pub fn number(&mut self, file: &mut File, index: u64) -> io::Result<Option<u64>> {
        Ok(self.get(file, index)?.map(number))
    }
}

pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Moves to a position, and keeps the read-ahead buffer if it is near. All positions are checked to be within the file.
pub(super) fn go(file: &mut File, at: u64) -> io::Result<()> {
    let now = file.stream_position()?;
    file.seek_relative(at.wrapping_sub(now).cast_signed())
}

pub(super) fn read(file: &mut File, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn array<const N: usize>(file: &mut File) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    Ok(read(file, &mut bytes)?.then_some(bytes))
}

pub(super) fn words<const N: usize>(file: &mut File) -> io::Result<Option<[u32; N]>> {
    let mut words = [0; N];
    for word in &mut words {
        let Some(bytes) = array(file)? else { return Ok(None) };
        *word = u32::from_be_bytes(bytes);
    }
    Ok(Some(words))
}

/// A box: its kind, its start, and the range of its body. A box that claims to reach beyond the end of its parent is
/// cut off there.
pub(super) struct Mp4Box {
    pub kind: [u8; 4],
    pub at: u64,
    pub body: Range<u64>,
    /// The box claims to be longer than there is room for.
    pub cut: bool,
}

/// Reads the box at the start of `within`; `None` if there cannot be one.
pub(super) fn read_box(file: &mut File, within: &Range<u64>) -> io::Result<Option<Mp4Box>> {
    let at = within.start;
    if at.saturating_add(8) > within.end {
        return Ok(None);
    }
    go(file, at)?;
    let Some([a, b, c, d, kind @ ..]) = array::<8>(file)? else { return Ok(None) };
    let (mut size, mut header) = (u64::from(u32::from_be_bytes([a, b, c, d])), 8);
    if size == 1 {
        let Some(long) = array::<8>(file)? else { return Ok(None) };
        (size, header) = (u64::from_be_bytes(long), 16);
    }
    if size != 0 && size < header {
        return Ok(None);
    }
    let end = if size == 0 { within.end } else { at.saturating_add(size) };
    let cut = end > within.end;
    Ok(Some(Mp4Box { kind, at, body: at + header..end.min(within.end).max(at + header), cut }))
}
