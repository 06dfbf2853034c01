//! The sums over what passes, our own: compared with what Google computed.

use domain::Sha256Hex;
use flow::ports::Stored;
use sha2::{Digest, Sha256};

#[derive(Clone, Default)]
pub struct Sum {
    size: u64,
    crc32c: u32,
    sha256: Sha256,
}

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.sha256.update(bytes);
    }

    pub fn stored(&self) -> Stored {
        Stored { size: self.size, crc32c: self.crc32c, sha256: Sha256Hex(self.sha256.clone().finalize().into()) }
    }
}
