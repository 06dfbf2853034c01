//! How a command learns that it has to end, and what it must not leave behind then.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How often the removal of a folder is tried while the command may still be writing into it.
const REMOVALS: usize = 3;

/// The command was asked to end before it was done.
#[derive(Debug, thiserror::Error)]
#[error("the command was asked to end")]
pub struct Stopped;

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        Self::other(stopped)
    }
}

impl Stopped {
    /// Whether an error is this one, on its way through readers and writers.
    pub fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

/// The request to end, which every part of a command looks at. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_set: AtomicBool,
    changed: Notify,
    /// What is of no use unless the command comes to its end: each entry is a path that is removed with its content,
    /// followed by the folders around it that were created for it.
    unfinished: Mutex<Vec<Vec<PathBuf>>>,
}

impl Stop {
    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }

    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }

    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_set() { Err(Stopped) } else { Ok(()) }
    }

    /// Runs the work until it is done. `None`: the request came first, and the work was dropped.
    pub async fn unless_set<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let set = self.0.changed.notified();
        if self.is_set() {
            return None;
        }
        tokio::select! {
            biased;
            () = set => None,
            done = work => Some(done),
        }
    }

    /// Opens a file whose reading ends with [`Stopped`] after the request. It is read more than once, so that a pipe is
    /// refused.
    pub fn open(&self, path: &Path) -> io::Result<StoppableFile> {
        let is_file = fs::metadata(path)?.is_file();
        if !is_file {
            return Err(io::Error::other("it has to be a file, because it is read twice"));
        }
        Ok(StoppableFile { file: File::open(path)?, stop: self.clone() })
    }

    /// Announces a file or folder before it is created.
    pub fn unfinished(&self, path: &Path) -> Unfinished {
        self.unfinished_with(vec![path.to_owned()])
    }

    /// The same, for a folder that is created together with folders around it: it comes first, the outermost one last.
    pub fn unfinished_with(&self, created: Vec<PathBuf>) -> Unfinished {
        self.lock().push(created.clone());
        Unfinished { created, stop: self.clone() }
    }

    /// Removes everything that is unfinished, for a process that ends at once. Returns what could not be removed.
    pub fn remove_unfinished(&self) -> Vec<PathBuf> {
        // Whoever finishes something in this moment waits for the lock, and with it for the end of the process.
        let mut unfinished = self.lock();
        let created = std::mem::take(&mut *unfinished);
        created
            .iter()
            .filter(|created| remove(created).is_err())
            .filter_map(|created| created.first().cloned())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<PathBuf>>> {
        self.0.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file or folder that is removed unless it is kept: when this is dropped, or when a second signal ends the process.
#[derive(Debug)]
pub struct Unfinished {
    created: Vec<PathBuf>,
    stop: Stop,
}

impl Unfinished {
    pub fn path(&self) -> &Path {
        self.created.first().map_or(Path::new(""), PathBuf::as_path)
    }

    pub fn keep(mut self) {
        self.stop.lock().retain(|created| *created != self.created);
        self.created.clear();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut all = self.stop.lock();
        // What cannot be removed stays; the command's own error is told.
        let _ = remove(&self.created);
        all.retain(|created| *created != self.created);
    }
}

fn remove(created: &[PathBuf]) -> io::Result<()> {
    let Some((own, around)) = created.split_first() else { return Ok(()) };
    let mut removed = remove_one(own);
    for _ in 1..REMOVALS {
        if removed.is_ok() {
            break;
        }
        removed = remove_one(own);
    }
    // A folder in which somebody else has put something meanwhile is not empty, and stays.
    let _ = around.iter().try_for_each(fs::remove_dir);
    removed
}

fn remove_one(path: &Path) -> io::Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A file whose reading ends when the command is asked to end.
pub struct StoppableFile {
    file: File,
    stop: Stop,
}

impl Read for StoppableFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.file.read(buffer)
    }
}

impl Seek for StoppableFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_things_are_removed_when_dropped_or_at_once_and_not_when_kept() {
        let place = tempfile::tempdir().unwrap();
        let (stop, outer) = (Stop::default(), place.path().join("outer"));
        let (data, file) = (outer.join("data"), place.path().join("file"));
        let make = || {
            let unfinished = [stop.unfinished_with(vec![data.clone(), outer.clone()]), stop.unfinished(&file)];
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("store.db"), "x").unwrap();
            fs::write(&file, "x").unwrap();
            unfinished
        };
        let exist = || (outer.exists(), file.exists());
        drop(make());
        assert_eq!(exist(), (false, false), "dropped");
        let unfinished = make();
        assert_eq!(stop.remove_unfinished(), [] as [PathBuf; 0]);
        assert_eq!(exist(), (false, false), "removed at once");
        drop(unfinished);
        make().into_iter().for_each(Unfinished::keep);
        assert_eq!((stop.remove_unfinished(), exist()), (Vec::new(), (true, true)), "kept");
    }

    #[test]
    fn folder_around_in_which_somebody_else_has_put_something_stays() {
        let place = tempfile::tempdir().unwrap();
        let (outer, data) = (place.path().join("outer"), place.path().join("outer/data"));
        let unfinished = Stop::default().unfinished_with(vec![data.clone(), outer.clone()]);
        fs::create_dir_all(&data).unwrap();
        fs::write(outer.join("other"), "kept").unwrap();
        drop(unfinished);
        assert_eq!((data.exists(), outer.join("other").exists()), (false, true));
    }

    #[tokio::test]
    async fn request_ends_work_that_waits_and_reading() {
        let place = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        fs::write(place.path().join("file"), "text").unwrap();
        let mut file = stop.open(&place.path().join("file")).unwrap();
        assert_eq!((stop.unless_set(async { 1 }).await, file.read(&mut [0; 1]).unwrap()), (Some(1), 1));
        let asked = async { stop.set() };
        assert_eq!(tokio::join!(stop.unless_set(std::future::pending::<()>()), asked).0, None);
        assert_eq!(stop.unless_set(std::future::pending::<()>()).await, None, "also if it came before");
        assert!(Stopped::is_cause_of(&file.read(&mut [0; 1]).unwrap_err()));
    }
}
