//! The secret shared by the queue and the task route, created once for each data folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::folder::{DataFolder, durable};
use system::secret_bytes;

const NAME: &str = "task-secret";
/// 256 bits, which cannot be guessed; written in hex.
const SECRET_BYTES: usize = 32;
/// How much of a digest identifies a server.
const ID_BYTES: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{}: the secret cannot be kept ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
    #[error("{}: this is no secret, and nothing else is lost; remove the file, and the next start makes a new one", path.display())]
    Damaged { path: PathBuf },
}

/// Reads the secret, or creates it. Every caller gets the same one, even if two call for the first time
/// at once.
pub fn task_secret(folder: &DataFolder) -> Result<SecretString, SecretError> {
    let path = folder.secrets_dir().join(NAME);
    let failed = |why| SecretError::Failed { path: path.clone(), why };
    if !path.exists() {
        make(&folder.secrets_dir()).map_err(failed)?;
    }
    let text = fs::read_to_string(&path).map_err(failed)?;
    let is_whole = hex::decode(text.trim()).is_ok_and(|bytes| bytes.len() == SECRET_BYTES);
    if is_whole { Ok(SecretString::from(text.trim())) } else { Err(SecretError::Damaged { path }) }
}

/// Identifies the server of a data folder, also after its folder was restored from a backup: the beginning of the digest of
/// its secret, which is created if there is none yet.
pub fn server_id(folder: &DataFolder) -> io::Result<String> {
    let path = folder.secrets_dir().join(NAME);
    if !path.exists() {
        make(&folder.secrets_dir())?;
    }
    Ok(hex::encode(&Sha256::digest(fs::read(path)?)[..ID_BYTES]))
}

fn make(folder: &Path) -> io::Result<()> {
    let secret = secret_bytes::<SECRET_BYTES>()?;
    durable::write_once(folder, NAME, format!("{}\n", hex::encode(secret)).as_bytes())
}

#[cfg(test)]
mod tests;
