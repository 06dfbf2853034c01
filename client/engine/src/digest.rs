//! The digests of a file.

use std::io;
use std::path::Path;

use domain::Sha256Hex;
use sha2::{Digest, Sha256};

use crate::ports::{Disk, FileReader};

/// The bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// Size and digests of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    pub bytes: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
}

/// Reads a file to its end.
pub fn digest(disk: &dyn Disk, file: &Path) -> io::Result<Digests> {
    let mut reader: Box<dyn FileReader> = disk.open(file)?;
    let (mut sha, mut crc32c, mut bytes) = (Sha256::new(), 0, 0);
    let mut block = vec![0; BLOCK];
    loop {
        let read = reader.read_at(bytes, &mut block)?;
        if read == 0 {
            return Ok(Digests { bytes, sha256: Sha256Hex(sha.finalize().into()), crc32c });
        }
        sha.update(&block[..read]);
        crc32c = crc32c::crc32c_append(crc32c, &block[..read]);
        bytes += read as u64;
    }
}
