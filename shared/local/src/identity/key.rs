//! The server's key pair: created once, kept in one file that only its owner may read.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{DecodingKey, EncodingKey};
use sha2::{Digest, Sha256};

use super::error::IdentityError;
use crate::folder::durable;
use system::secret_bytes;

const FILE: &str = "identity.pk8";

pub struct Key {
    /// Identifies the key in a token's header: the beginning of the public key's SHA-256.
    pub id: String,
    pub signing: EncodingKey,
    pub checking: DecodingKey,
}

impl Key {
    pub fn open(folder: &Path) -> Result<Self, IdentityError> {
        let path = folder.join(FILE);
        let pkcs8 = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(folder, &path)?;
                // The file is read back, because another process may have created its key first.
                fs::read(&path)
            }
            read => read,
        };
        let pkcs8 = pkcs8.map_err(|source| IdentityError::File { doing: "read", path: path.clone(), source })?;
        Self::read(&pkcs8).map_err(|why| IdentityError::NotAKey { path, why })
    }

    fn read(pkcs8: &[u8]) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|error| error.to_string())?;
        let public = pair.public_key().as_ref();
        Ok(Self {
            id: hex::encode(&Sha256::digest(public)[..8]),
            signing: EncodingKey::from_ed_der(pkcs8),
            checking: DecodingKey::from_ed_der(public),
        })
    }
}

fn make(folder: &Path, path: &Path) -> Result<(), IdentityError> {
    let failed = |source| IdentityError::File { doing: "write", path: path.to_owned(), source };
    // Any 32 random bytes are a valid key (RFC 8032, 5.1.5).
    let seed = secret_bytes::<32>().map_err(failed)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| IdentityError::NoKey)?;
    let pkcs8 = pair.to_pkcs8().map_err(|_| IdentityError::NoKey)?;
    durable::write_once(folder, FILE, pkcs8.as_ref()).map_err(failed)
}
