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
const FILE_RIGHTS: u32 = 0o600;
const FOLDER_RIGHTS: u32 = 0o700;

/// Removes the rights of everybody else. A mode that cannot be changed is logged; the server starts all
/// the same.
pub fn repair_modes(folder: &Path) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return warn_not_repaired(folder, &error),
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = entry.path();
        let repaired = match entry.file_type() {
            Ok(kind) if kind.is_file() && FILES.iter().any(|ours| name.starts_with(ours)) => {
                restrict(&path, FILE_RIGHTS)
            }
            Ok(kind) if kind.is_dir() && FOLDERS.contains(&name) => restrict_folder(&path, MAX_DEPTH),
            _ => continue,
        };
        if let Err(error) = repaired {
            warn_not_repaired(&path, &error);
        }
    }
}

fn warn_not_repaired(path: &Path, error: &io::Error) {
    tracing::warn!(
        path = %path.display(), %error,
        "other accounts of this machine may read this file or folder, and its mode cannot be changed"
    );
}

/// Files in a private folder are out of others' reach, whatever their own mode, so a private folder is
/// not searched. A start with many staged files is then as quick as one with few.
fn restrict_folder(path: &Path, depth: usize) -> io::Result<()> {
    if depth == 0 || fs::symlink_metadata(path)?.permissions().mode() & !FOLDER_RIGHTS & 0o777 == 0 {
        return Ok(());
    }
    restrict(path, FOLDER_RIGHTS)?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => restrict_folder(&entry.path(), depth - 1)?,
            kind if kind.is_file() => restrict(&entry.path(), FILE_RIGHTS)?,
            // Symbolic links and special files are never created by the server, so they are skipped.
            _ => {}
        }
    }
    Ok(())
}

fn restrict(path: &Path, rights: u32) -> io::Result<()> {
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
    OpenOptions::new().append(true).create(true).mode(FILE_RIGHTS).open(path)
}

#[cfg(test)]
mod tests;
