//! Brings a backup folder up to date: copies what is new, replaces the list, and removes what the list no longer names.
//! A run that is cut off anywhere leaves the last complete state as it was.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};
use std::time::SystemTime;

use flow::ports::Clock;
use system::{Stop, SystemClock};

use super::contents::Contents;
use super::manifest::{Content, Entry, Manifest};
use super::source::Source;
use super::{BackupError, hold, layers};
use crate::folder::{DataFolder, durable};
use crate::secret::server_id;

/// Marks the folder as a backup, and is locked while somebody writes or reads it.
pub const MARK: &str = "afterword-backup";
/// The folders of the data folder that are copied file by file.
const TREES: [&str; 2] = ["blobs/uploads", "secrets"];
/// The deepest tree, `uploads/<user>/<job>/<file>`, needs three levels.
const MAX_DEPTH: usize = 8;
const PIECE: usize = 256 * 1024;
const DAY_MS: i64 = 86_400_000;
/// The number of days in which the digest of every audio file is computed again, a part of them in each run.
const ROUND_DAYS: i64 = 7;

/// What one run did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    pub folder: PathBuf,
    /// Bytes that were written into the folder.
    pub copied_bytes: u64,
    /// Bytes of everything that the folder now holds.
    pub bytes: u64,
    pub recordings: u64,
    /// Files of earlier states that were removed.
    pub removed: u64,
    /// Files of the last state that were damaged or missing, and whose content was copied again.
    pub damaged: u64,
}

impl fmt::Display for Updated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, copied_bytes, bytes, recordings, damaged, .. } = self;
        let folder = folder.display();
        if *damaged > 0 {
            writeln!(
                f,
                "{folder}: {damaged} files of the last backup were damaged or missing; their content was copied again. Check \
                 the disk"
            )?;
        }
        writeln!(
            f,
            "{folder}: {copied_bytes} bytes were copied; it holds {bytes} bytes, with {recordings} staged audio files \
             and the secrets"
        )?;
        write!(f, "restore it into a new folder: afterword restore --data-dir FOLDER {folder}")
    }
}

/// Brings the folder up to date; blocks until everything is copied.
pub fn update(folder: &DataFolder, root: &Path, stop: &Stop) -> Result<Updated, BackupError> {
    update_on(SystemClock.now().millis() / DAY_MS, folder, root, stop)
}

/// The same, on a day since 1970.
pub fn update_on(day: i64, folder: &DataFolder, root: &Path, stop: &Stop) -> Result<Updated, BackupError> {
    let root = open_root(folder, root)?;
    let failed = |why| BackupError::of_target(&root, why);
    let _alone = lock(&root)?;
    let server = server_id(folder).map_err(|why| BackupError::unread(&folder.secrets_dir(), why))?;
    let previous = previous_of(&root, &server)?;
    let mut contents = Contents::open(&root).map_err(failed)?;
    // What a killed run has copied would only take room. The list that counts is durable before anything is removed.
    durable::sync(&root).and_then(|()| contents.retain(previous.contents())).map_err(failed)?;
    let copied = copy(folder, Manifest::of(server), &previous, &mut contents, day, stop);
    let next = copied.map_err(|error| clean_up(error, &previous, &contents, &root))?;
    // From here on the new state counts.
    Manifest::publish(&root).map_err(failed)?;
    let removed = contents.retain(next.contents()).map_err(failed)?;
    Ok(Updated {
        copied_bytes: contents.written,
        bytes: next.contents().collect::<BTreeSet<_>>().iter().map(|content| content.bytes).sum(),
        recordings: next.entries.iter().filter(|entry| entry.path.starts_with(TREES[0])).count() as u64,
        folder: root,
        removed,
        damaged: contents.damaged,
    })
}

/// Copies what is new, and makes it durable together with the list.
fn copy(
    folder: &DataFolder,
    mut next: Manifest,
    previous: &Manifest,
    contents: &mut Contents,
    day: i64,
    stop: &Stop,
) -> Result<Manifest, BackupError> {
    let mut source = Source::open(&folder.store_file(), stop)?;
    source.check_structure()?;
    // No blob is deleted while this lock is held, so every file that the snapshot refers to still exists when it is
    // copied.
    let held = hold(&folder.blobs_dir(), &source)?;
    let root = &contents.root.clone();
    layers::copy(&source, previous, &mut next, contents, root)?;
    let known = previous.entries.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut copy = Copy { source: &source, contents, root, day, known, entries: &mut next.entries };
    for tree in TREES {
        copy.tree(&folder.path().join(tree), tree, MAX_DEPTH)?;
    }
    drop(held);
    let durable = contents.sync().and_then(|()| next.prepare(root));
    durable.map_err(|why| BackupError::of_target(root, why))?;
    Ok(next)
}

/// Removes what a run has copied that comes to no end, so that a full disk has room again.
fn clean_up(error: BackupError, previous: &Manifest, contents: &Contents, root: &Path) -> BackupError {
    let is_clean = contents.retain(previous.contents()).is_ok();
    match error {
        BackupError::Stopped => BackupError::StoppedInFolder { path: root.to_owned(), is_clean },
        error => error,
    }
}

/// Creates the folder, or checks that it is a backup. Nothing else is ever written into.
fn open_root(folder: &DataFolder, root: &Path) -> Result<PathBuf, BackupError> {
    let root = absolute(root).unwrap_or_else(|_| root.to_owned());
    let failed = |why| BackupError::of_target(&root, why);
    let existing = if root.is_dir() { &root } else { root.parent().unwrap_or(&root) };
    if folder.contains(&existing.canonicalize().map_err(failed)?) {
        return Err(BackupError::Inside(root));
    }
    if root.symlink_metadata().is_ok() && !root.is_dir() {
        return Err(BackupError::Exists(root));
    }
    if root.is_dir() {
        let is_empty = fs::read_dir(&root).map_err(failed)?.next().is_none();
        if !is_empty && !root.join(MARK).is_file() {
            return Err(BackupError::NoBackupFolder(root));
        }
    }
    durable::make_folder(&root).map_err(failed)?;
    root.canonicalize().map_err(failed)
}

/// Keeps other backups and restores away from the folder.
fn lock(root: &Path) -> Result<File, BackupError> {
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(root.join(MARK));
    let file = opened.map_err(|why| BackupError::of_target(root, why))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(BackupError::Busy(root.to_owned())),
        Err(fs::TryLockError::Error(why)) => Err(BackupError::of_target(root, why)),
    }
}

/// The list of the last complete state, which must be one of the same server: a new data folder, made after a disk died,
/// must not replace the only backup of the old one.
fn previous_of(root: &Path, server: &str) -> Result<Manifest, BackupError> {
    match Manifest::read(root).map_err(|why| BackupError::manifest(root, why))? {
        Some(previous) if previous.server != server => {
            Err(BackupError::OtherServer { path: root.to_owned(), theirs: previous.server, ours: server.to_owned() })
        }
        previous => Ok(previous.unwrap_or_default()),
    }
}

struct Copy<'a> {
    source: &'a Source,
    contents: &'a mut Contents,
    root: &'a Path,
    day: i64,
    /// The files of the previous state.
    known: HashMap<&'a str, &'a Entry>,
    entries: &'a mut Vec<Entry>,
}

impl Copy<'_> {
    fn tree(&mut self, from: &Path, name: &str, depth: usize) -> Result<(), BackupError> {
        let unread = |why| BackupError::unread(from, why);
        if depth == 0 {
            return Err(unread(io::Error::other("it lies deeper than any file of the server")));
        }
        let entries = match fs::read_dir(from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(unread)?,
        };
        for entry in entries {
            let entry = entry.map_err(unread)?;
            // The server never creates a name that is not UTF-8, a symbolic link or a special file, so they are
            // skipped.
            let Ok(last) = entry.file_name().into_string() else { continue };
            let (from, name) = (entry.path(), format!("{name}/{last}"));
            match entry.file_type().map_err(unread)? {
                kind if kind.is_dir() => self.tree(&from, &name, depth - 1)?,
                kind if kind.is_file() => self.file(&from, name)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, path: String) -> Result<(), BackupError> {
        self.source.tick()?;
        let unread = |why| BackupError::unread(from, why);
        let about = fs::metadata(from).map_err(unread)?;
        let modified = nanoseconds(about.modified().map_err(unread)?);
        let known = self.known.get(path.as_str()).copied();
        let known = known.filter(|known| known.modified == modified && known.content.bytes == about.len());
        let content = match known {
            Some(known) if self.is_usable(&known.content)? => known.content.clone(),
            _ => self.copied(from)?,
        };
        self.entries.push(Entry { path, modified, content });
        Ok(())
    }

    /// Whether the backup has this content already.
    fn is_usable(&mut self, content: &Content) -> Result<bool, BackupError> {
        let part = content.sha256.get(..2).and_then(|digits| i64::from_str_radix(digits, 16).ok());
        if part.is_some_and(|part| (part - self.day).rem_euclid(ROUND_DAYS) == 0) {
            return self.contents.is_whole(content, || self.source.tick());
        }
        Ok(self.contents.has(content))
    }

    fn copied(&mut self, from: &Path) -> Result<Content, BackupError> {
        let unread = |why| BackupError::unread(from, why);
        let failed = |why| BackupError::of_target(self.root, why);
        let (mut file, mut piece) = (File::open(from).map_err(unread)?, vec![0; PIECE]);
        let mut new = self.contents.create().map_err(failed)?;
        loop {
            self.source.tick()?;
            match file.read(&mut piece).map_err(unread)? {
                0 => return self.contents.keep(new).map_err(failed),
                read => new.write(&piece[..read]).map_err(failed)?,
            }
        }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
