//! The files of an index: where a new one is built, and how it takes the place of the old one.

use std::io;
use std::path::{Path, PathBuf};

use crate::ports::{Disk, Ports};
use crate::settings::Config;

/// The end of the name of an index that is being built.
pub const NEW: &str = ".new";
/// The end of the name of an index that is whole, and takes the place of the old one.
pub const BUILT: &str = ".built";
/// The files of a database beside its own.
pub const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Puts an index that was built in the place of the old one, if there is one. A kill inside of it is made good by the next call.
pub fn complete(config: &Config, ports: &Ports) -> io::Result<Option<PathBuf>> {
    if is_in_memory(&config.index) {
        return Ok(None);
    }
    let (disk, built) = (&*ports.disk, with_end(&config.index, BUILT));
    match disk.open(&built) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => drop(opened?),
    }
    let aside = put_aside(disk, &config.index, ports)?;
    disk.rename(&built, &config.index)?;
    Ok(aside)
}

/// A database in memory has no file: it is built where it is.
pub fn is_in_memory(index: &Path) -> bool {
    index.to_str().is_some_and(|path| path.starts_with("file:"))
}

/// The name of an index, or of one of its companions, with this end.
pub fn with_end(index: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", index.display()))
}

/// Removes a database that counts for nothing.
pub fn remove_database(disk: &dyn Disk, index: &Path) -> io::Result<()> {
    for end in [COMPANIONS[0], COMPANIONS[1], ""] {
        match disk.remove(&with_end(index, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Gives the old index and its companions other names: the companions first, so that the new index never gets those of the old
/// one.
fn put_aside(disk: &dyn Disk, index: &Path, ports: &Ports) -> io::Result<Option<PathBuf>> {
    let aside = with_end(index, &format!(".damaged-{}", ports.clock.now().millis()));
    let mut moved = None;
    for end in [COMPANIONS[0], COMPANIONS[1], ""] {
        match disk.rename(&with_end(index, end), &with_end(&aside, end)) {
            Ok(()) => moved = Some(aside.clone()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
}
