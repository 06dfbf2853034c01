//! The secret between queue and task route, made once for each data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flow::ports::Random;
use secrecy::SecretString;

use crate::folder::{DataFolder, durable};
use crate::random::SystemRandom;

/// Nobody guesses as much; written in hex.
const SECRET_BYTES: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("{}: the secret cannot be kept ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
    #[error("{}: this is no secret; remove the file, and the next start makes a new one", path.display())]
    Damaged { path: PathBuf },
}

/// The same for whoever asks, also when two ask for the first time at once.
pub fn task_secret(folder: &DataFolder) -> Result<SecretString, SecretError> {
    let path = folder.secrets_dir().join("task-secret");
    let failed = |why| SecretError::Failed { path: path.clone(), why };
    if !path.exists() {
        make(&folder.secrets_dir(), &path).map_err(failed)?;
    }
    let text = fs::read_to_string(&path).map_err(failed)?;
    let is_whole = hex::decode(text.trim()).is_ok_and(|bytes| bytes.len() == SECRET_BYTES);
    if is_whole { Ok(SecretString::from(text.trim())) } else { Err(SecretError::Damaged { path }) }
}

/// It has its name only when it is whole and durable. Who comes second takes what is there.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    durable::make_folder(folder)?;
    let temporary = folder.join(format!(".{}", SystemRandom.uuid()));
    let mut file = private(&temporary)?;
    let named = write(&mut file).and_then(|()| durable::rename_without_replacing(&temporary, path));
    if let Err(error) = named {
        // What is left of it is no secret of anybody.
        drop(fs::remove_file(&temporary));
        return if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) };
    }
    durable::sync(folder)
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(file: &mut File) -> io::Result<()> {
    let mut secret = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    writeln!(file, "{}", hex::encode(secret))?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
