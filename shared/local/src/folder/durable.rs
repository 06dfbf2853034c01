//! Makes folders durable, and writes small files that are complete or not there.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use flow::ports::Random;
use system::SystemRandom;
pub use system::durable::{rename_without_replacing, sync};

/// Creates a folder that only its owner may read, with the folders above it, and makes them durable.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_folder)?;
    match DirBuilder::new().mode(0o700).create(path) {
        // Another process created the folder first. A file in its place is an error.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made?,
    }
    above.map_or(Ok(()), sync)
}

/// Writes a file that only its owner may read and that gets its name once it is complete and durable.
/// An existing file stays as it is: of several processes that start at once, the first one's file
/// stays.
pub fn write_once(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    make_folder(folder)?;
    let temporary = folder.join(format!(".{}", SystemRandom.uuid()));
    let named = write_private(&temporary, bytes)
        .and_then(|()| rename_without_replacing(&temporary, &folder.join(name)))
        // Nobody needs the temporary file any more.
        .inspect_err(|_| drop(fs::remove_file(&temporary)));
    match named {
        // The process that was first may not have synced the folder.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => sync(folder),
        named => named.and_then(|()| sync(folder)),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_folder_and_its_new_parents_are_private() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        make_folder(&inner).unwrap();
        make_folder(&inner).unwrap();
        assert_eq!((mode(&root.path().join("a")), mode(&inner)), (0o700, 0o700));
    }

    #[test]
    fn file_written_once_is_private_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("secrets");
        for bytes in ["first", "second"] {
            write_once(&folder, "key", bytes.as_bytes()).unwrap();
        }
        assert_eq!(fs::read(folder.join("key")).unwrap(), b"first");
        assert_eq!(mode(&folder.join("key")), 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    }
}
