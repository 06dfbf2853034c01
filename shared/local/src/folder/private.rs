//! Keeps a data folder private: only the owner may read its files, whatever the mode of the folder
//! around it.
//!
//! New files are created private. This module repairs the modes that an earlier version, an unpacked
//! backup or a copy left open to others.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Prefixes of the server's own files in the data folder; other files there are not touched.
const FILES: &[&str] = &["store.db", "queue.db", "push.log", "lock"];
const FOLDERS: &[&str] = &["blobs", "secrets", "sample"];
/// The deepest tree, `blobs/uploads/<user>/<job>/<file>`, needs four levels.
const MAX_DEPTH: usize = 8;

/// The owner's rights, as far as they make sense.
const OF_A_FILE: u32 = 0o600;
const OF_A_FOLDER: u32 = 0o700;

/// Removes the rights of everybody else. A mode that cannot be changed is logged; the server starts all
/// the same.
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

/// Files in a private folder are out of others' reach, whatever their own mode, so a private folder is
/// not searched. A start with many staged files is then as quick as one with few.
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
            // Symbolic links and special files are never created by the server, so they are skipped.
            _ => {}
        }
    }
    Ok(())
}

fn close(path: &Path, rights: u32) -> io::Result<()> {
    // A symbolic link that has taken the name in the meantime is not followed, and opening a pipe does not
    // block.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        // SQLite removes the files beside a database when its last connection is closed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    if mode & !rights == 0 { Ok(()) } else { file.set_permissions(Permissions::from_mode(mode & rights)) }
}

/// Creates a file that only its owner may read; an existing one stays as it is. It is for libraries
/// that would create the file with the process's default mode.
pub fn make_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(OF_A_FILE).open(path)
}

#[cfg(test)]
mod tests;
