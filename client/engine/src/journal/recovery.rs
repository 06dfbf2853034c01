//! Reads a journal that was cut off, and cuts its torn tail.

use std::io;
use std::path::Path;

use domain::Sha256Hex;
use sha2::{Digest, Sha256};

use super::{ENTRY_BYTES, MAX_FRAME_BYTES, entry, sidecar_of};
use crate::index::Finished;
use crate::mistakes::{self, Mistake};
use crate::ports::{Disk, FileReader};

/// What a journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    pub finished: Finished,
    /// The frames that the live socket did not take.
    pub frames_not_live: u64,
    /// The bytes at the end that were cut off.
    pub torn_bytes: u64,
}

/// A file that is read once from its beginning.
struct Stream {
    reader: Box<dyn FileReader>,
    offset: u64,
    buffer: Vec<u8>,
    start: usize,
}

const BLOCK: usize = 64 << 10;

impl Stream {
    fn new(reader: Box<dyn FileReader>) -> Self {
        Self { reader, offset: 0, buffer: Vec::new(), start: 0 }
    }

    /// The next `length` bytes, or fewer at the end.
    fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.start < length {
            self.buffer.drain(..self.start);
            self.start = 0;
            let filled = self.buffer.len();
            self.buffer.resize(filled + BLOCK, 0);
            let read = self.reader.read_at(self.offset, &mut self.buffer[filled..])?;
            self.buffer.truncate(filled + read);
            self.offset += read as u64;
            if read == 0 {
                break;
            }
        }
        let end = self.buffer.len().min(self.start + length);
        Ok(&self.buffer[self.start..end])
    }

    fn skip(&mut self, length: usize) {
        self.start += length;
    }
}

/// Reads the whole frames of a journal and cuts the rest off, durably. If no frame is whole, the file is empty afterwards.
pub fn recover(disk: &dyn Disk, file: &Path, frame_ms: impl Fn(u64) -> u64) -> io::Result<Recovered> {
    let mut audio = Stream::new(disk.open(file)?);
    // Without a sidecar nothing of the audio can be told from what a cut left behind.
    let mut sidecar = match disk.open(&sidecar_of(file)) {
        Ok(reader) => Some(Stream::new(reader)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let size = audio.reader.size()?;
    let (mut digest, mut checksum, mut bytes) = (Sha256::new(), 0, 0);
    let (mut frames, mut live, mut prefix) = (0, 0, 0);
    while let Some((record, is_live)) = next(&mut audio, sidecar.as_mut())? {
        digest.update(&record);
        checksum = crc32c::crc32c_append(checksum, &record);
        bytes += record.len() as u64;
        if is_live && prefix == frames {
            prefix += 1;
        }
        frames += 1;
        live += u64::from(is_live);
    }
    let torn_bytes = size - bytes;
    if torn_bytes == 0 || !mistakes::is_planted(Mistake::TornTailKept) {
        // Also if nothing is torn: the process may have ended before the bytes were durable.
        disk.truncate(file, bytes)?;
    } else {
        let rest = audio.peek(usize::try_from(torn_bytes).unwrap_or(usize::MAX))?;
        digest.update(rest);
        checksum = crc32c::crc32c_append(checksum, rest);
        bytes = size;
    }
    let sha256 = Sha256Hex(digest.finalize().into());
    let finished =
        Finished { frames, synced_prefix: prefix, duration_ms: frame_ms(frames), bytes, sha256, crc32c: checksum };
    Ok(Recovered { finished, frames_not_live: frames - live, torn_bytes })
}

/// The next record that is whole in both files.
fn next(audio: &mut Stream, sidecar: Option<&mut Stream>) -> io::Result<Option<(Vec<u8>, bool)>> {
    let Some(sidecar) = sidecar else { return Ok(None) };
    let head = audio.peek(4)?;
    let Ok(length) = <[u8; 4]>::try_from(head) else { return Ok(None) };
    let size = u32::from_le_bytes(length) as usize;
    if size > MAX_FRAME_BYTES {
        return Ok(None);
    }
    let record = audio.peek(4 + size)?.to_vec();
    if record.len() < 4 + size {
        return Ok(None);
    }
    let noted = sidecar.peek(ENTRY_BYTES)?.to_vec();
    let is_live = noted.first() == Some(&1);
    if noted != entry(length, &record[4..], is_live) {
        return Ok(None);
    }
    audio.skip(4 + size);
    sidecar.skip(ENTRY_BYTES);
    Ok(Some((record, is_live)))
}
