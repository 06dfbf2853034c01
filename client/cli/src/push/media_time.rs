//! The time of recording in the metadata of a sound file. A file without one, or with one that cannot be read, has
//! none: nothing here is an error.

mod mp4;
mod tags;
mod text;
mod wav;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use domain::Timestamp;

/// The most bytes that are read of one piece of metadata.
const MAX_BYTES: u64 = 256 * 1024;
/// The most pieces of a file that are looked at.
const MAX_PIECES: usize = 1000;

/// When the file was recorded, if it says so.
pub fn of(path: &Path) -> Option<Timestamp> {
    let mut file = File::open(path).ok()?;
    let head = bytes(&mut file, 0, 12)?;
    match &head[..] {
        [b'R', b'I', b'F', b'F', .., b'W', b'A', b'V', b'E'] | [b'R', b'F', b'6', b'4', .., b'W', b'A', b'V', b'E'] => {
            wav::time(&mut file)
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => mp4::time(&mut file),
        [b'O', b'g', b'g', b'S', ..] | [b'f', b'L', b'a', b'C', ..] | [b'I', b'D', b'3', ..] => tags::time(&mut file),
        _ => None,
    }
}

/// Exactly these bytes.
fn bytes(file: &mut File, at: u64, length: u64) -> Option<Vec<u8>> {
    let bytes = up_to(file, at, length)?;
    (bytes.len() as u64 == length).then_some(bytes)
}

/// These bytes, or fewer at the end of the file.
fn up_to(file: &mut File, at: u64, length: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut bytes = Vec::new();
    file.take(length.min(MAX_BYTES)).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
