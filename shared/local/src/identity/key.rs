//! The server's key pair: made once, kept in one file that only its owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{DecodingKey, EncodingKey};
use sha2::{Digest, Sha256};

use super::IdentityError;

const FILE: &str = "identity.pk8";

pub struct Key {
    /// Names the key in a token's header: the beginning of the public key's SHA-256.
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
                // Not what was just made: another process may have been first.
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
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| IdentityError::NoKey)?;
    let mut unique = [0; 8];
    fill(&mut unique).map_err(|_| IdentityError::NoKey)?;
    let temporary = folder.join(format!("{FILE}.{}", hex::encode(unique)));
    let failed = |source| IdentityError::File { doing: "write", path: PathBuf::from(path), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let linked = write(&temporary, pkcs8.as_ref()).and_then(|()| link(&temporary, path));
    let removed = fs::remove_file(&temporary);
    linked.and(removed).and_then(|()| File::open(folder)?.sync_all()).map_err(failed)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A link never replaces: of processes that start at once, the first one's key stands, whole.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
