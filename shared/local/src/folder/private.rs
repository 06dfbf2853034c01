//! Nobody but its owner reads a data folder: each file is private, whatever the mode of the folder around it.
//!
//! Files are made so. This mends what an earlier version, an unpacked backup or a copy left open to others.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// What files of ours in the data folder itself begin with; what else lies there is not touched.
const FILES: &[&str] = &["store.db", "queue.db", "push.log", "lock"];
const FOLDERS: &[&str] = &["blobs", "secrets", "sample"];
/// `blobs/uploads/<user>/<job>/<file>` needs four.
const MAX_DEPTH: usize = 8;

/// The owner's own rights, as far as they make sense.
const OF_A_FILE: u32 = 0o600;
const OF_A_FOLDER: u32 = 0o700;

/// Takes the rights of everybody else away. What cannot be mended is told to the log: it is no reason not to serve.
pub fn mend(folder: &Path) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return unmended(folder, &error),
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = entry.path();
        let mended = match entry.file_type() {
            Ok(kind) if kind.is_file() && FILES.iter().any(|ours| name.starts_with(ours)) => close(&path, OF_A_FILE),
            Ok(kind) if kind.is_dir() && FOLDERS.contains(&name) => close_folder(&path, MAX_DEPTH),
            _ => continue,
        };
        if let Err(error) = mended {
            unmended(&path, &error);
        }
    }
}

fn unmended(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "other accounts of this machine may read this, and its mode cannot be changed");
}

/// What lies in a private folder is out of others' reach, whatever its own mode: nothing is looked at there. So a start
/// with many staged files is as quick as one with few.
fn close_folder(path: &Path, depth: usize) -> io::Result<()> {
    if depth == 0 || fs::symlink_metadata(path)?.permissions().mode() & !OF_A_FOLDER & 0o777 == 0 {
        return Ok(());
    }
    close(path, OF_A_FOLDER)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => close_folder(&entry.path(), depth - 1)?,
            kind if kind.is_file() => close(&entry.path(), OF_A_FILE)?,
            // Links and the like are not ours.
            _ => {}
        }
    }
    Ok(())
}

fn close(path: &Path, rights: u32) -> io::Result<()> {
    // A link that took the name meanwhile is not followed; a pipe makes nobody wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        // SQLite removes its files beside a database when the last connection is closed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & !rights == 0 { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode & rights)) }
}

/// A file of this name that only its owner may read; one that is there stays as it is. For libraries that make their
/// files themselves, by whatever mode the process gives.
pub fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(OF_A_FILE).open(path)
}

#[cfg(test)]
mod tests;
