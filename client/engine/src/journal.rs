//! The journal of a chunk: its frames as they will be uploaded, and beside them a file with a checksum for each frame (R2).
//!
//! The audio file holds, for each frame, its length (u32, little-endian) and its bytes. The sidecar holds five bytes for each
//! frame: a flag that says whether the live socket took it, and CRC32C over length, bytes and flag. A frame counts only if
//! both are whole, so that whatever a cut leaves behind is recognised.

mod recovery;
mod writer;

pub use recovery::recover;
pub use writer::JournalWriter;

/// The longest frame, as the server reads it.
pub const MAX_FRAME_BYTES: usize = 65_536;
/// The bytes of a frame in the sidecar.
const ENTRY_BYTES: usize = 5;

/// The name of the sidecar of an audio file.
pub fn sidecar_of(file: &std::path::Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

fn entry(length: [u8; 4], frame: &[u8], is_live: bool) -> [u8; ENTRY_BYTES] {
    let flag = u8::from(is_live);
    let checksum = crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&length), frame), &[flag]).to_le_bytes();
    let [a, b, c, d] = checksum;
    [flag, a, b, c, d]
}

#[cfg(test)]
mod tests;
