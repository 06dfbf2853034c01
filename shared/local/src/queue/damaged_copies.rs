//! Puts a damaged database aside, so that somebody can examine it. Only a few such copies are kept.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::folder::durable;

/// The number of copies that are kept: the newest ones.
const KEPT: u32 = 3;
const LOG: &str = "-wal";
const INDEX: &str = "-shm";

/// Renames the database and its log, and returns the database's new path.
pub fn put_aside(path: &Path) -> io::Result<PathBuf> {
    if !path.exists() {
        // It was renamed earlier, and no new database could be created since.
        return Ok(named(path, 1));
    }
    for number in (1..KEPT).rev() {
        move_with_log(&named(path, number), &named(path, number + 1))?;
    }
    // SQLite creates the index of the log again when the database is opened.
    gone(fs::remove_file(with(path, INDEX)))?;
    let aside = named(path, 1);
    move_with_log(path, &aside)?;
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), durable::sync)?;
    Ok(aside)
}

/// Moves a database and its log. The log goes first: beside a new database it would be taken for that
/// database's log.
fn move_with_log(from: &Path, to: &Path) -> io::Result<()> {
    gone(fs::remove_file(with(to, LOG)))?;
    gone(fs::rename(with(from, LOG), with(to, LOG)))?;
    gone(fs::rename(from, to))
}

fn named(path: &Path, number: u32) -> PathBuf {
    with(path, &format!(".damaged-{number}"))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn gone(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_newest_copies_are_kept_with_their_logs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        for n in 1..=5 {
            fs::write(&path, format!("database {n}")).unwrap();
            fs::write(with(&path, INDEX), "index").unwrap();
            if n != 4 {
                fs::write(with(&path, LOG), format!("log {n}")).unwrap();
            }
            assert_eq!(put_aside(&path).unwrap(), named(&path, 1));
            assert!(!path.exists() && !with(&path, LOG).exists() && !with(&path, INDEX).exists());
        }
        for (number, n) in [(1, 5), (2, 4), (3, 3)] {
            let aside = named(&path, number);
            assert_eq!(fs::read_to_string(&aside).unwrap(), format!("database {n}"));
            let log = fs::read_to_string(with(&aside, LOG)).ok();
            assert_eq!(log, (n != 4).then(|| format!("log {n}")), "a log is of the database beside it");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
    }
}
