//! A file that only its owner may read, and that is replaced durably: after a crash it has its old content or its new
//! one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const RIGHTS: u32 = 0o600;

/// Creates the folder for its owner alone.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Locks out other commands until the value is dropped. It waits for them; each holds it for moments.
pub fn lock(folder: &Path, name: &str) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(RIGHTS).open(folder.join(name))?;
    file.lock()?;
    Ok(file)
}

/// Reads the file, and takes the rights of everybody else from it. `None` if there is none.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let rights = fs::metadata(path)?.permissions();
    if rights.mode() & 0o077 != 0 {
        // The file is used all the same if it belongs to somebody else.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(RIGHTS));
    }
    Ok(Some(text))
}

/// Replaces the file. Whoever does so holds the lock.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let temporary = temporary(path);
    // What a killed command left behind is not continued.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(RIGHTS).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn file_is_private_and_replaced_as_a_whole() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("config/afterword");
        make_folder(&folder).unwrap();
        let path = folder.join("logins.json");
        assert_eq!(read(&path).unwrap(), None);
        fs::write(temporary(&path), "half").unwrap();
        for text in ["first", "second"] {
            let _lock = lock(&folder, "lock").unwrap();
            replace(&path, text).unwrap();
            assert_eq!(read(&path).unwrap().as_deref(), Some(text));
        }
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
        assert!(!temporary(&path).exists());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        read(&path).unwrap();
        assert_eq!(mode(&path), 0o600, "rights that others got meanwhile are taken back");
    }
}
