//! A disk that forgets what was not synced when the power fails, and that may be full, locked, or end the process at any
//! operation.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use engine::ports::{Disk, FileReader, FileWriter, Lock};

use crate::random::Seeded;

struct File {
    data: Vec<u8>,
    synced: usize,
    name_is_durable: bool,
    /// Not seen for a moment, though its folder is.
    is_hidden: bool,
}

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, File>,
    /// Handles of an earlier process have no effect.
    process: u64,
    is_full: bool,
    /// The free bytes, which grow with what is removed.
    free: Option<u64>,
    is_locked: bool,
    /// No file can be opened, though folders can be listed.
    is_sealed: bool,
    /// A folder that cannot be read: a stick that was pulled out.
    unreadable: Option<PathBuf>,
    /// The process ends at the operation after so many.
    fuse: Option<u64>,
    is_dead: bool,
    removed: Vec<PathBuf>,
    syncs: u64,
    read_bytes: u64,
    commits: u64,
}

/// Clones share their state.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    random: Seeded,
}

fn dead() -> io::Error {
    io::Error::other("the process has ended")
}

impl State {
    fn operation(&mut self) -> io::Result<()> {
        match &mut self.fuse {
            Some(0) => self.is_dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if self.is_dead { Err(dead()) } else { Ok(()) }
    }

    fn check_readable(&self, path: &Path) -> io::Result<()> {
        let is_unreadable = self.unreadable.as_ref().is_some_and(|folder| path.starts_with(folder));
        if self.is_locked || is_unreadable { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut File> {
        self.files.get_mut(path).filter(|file| !file.is_hidden).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SimDisk {
    pub fn new(random: Seeded) -> Self {
        Self { state: Arc::default(), random }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap())
    }

    /// Ends the process at the operation after so many.
    pub fn set_fuse(&self, operations: u64) {
        self.with(|state| state.fuse = Some(operations));
    }

    pub fn is_dead(&self) -> bool {
        self.with(|state| state.is_dead)
    }

    pub fn is_full(&self) -> bool {
        self.with(|state| state.is_full)
    }

    pub fn set_full(&self, is_full: bool) {
        self.with(|state| state.is_full = is_full);
    }

    pub fn set_locked(&self, is_locked: bool) {
        self.with(|state| state.is_locked = is_locked);
    }

    /// Says how much is free; removed files add to it.
    #[allow(dead_code, reason = "only the tests of the rules fill the disk by numbers")]
    pub fn set_free(&self, bytes: Option<u64>) {
        self.with(|state| state.free = bytes);
    }

    /// Makes a folder unreadable, or all readable again.
    #[allow(dead_code, reason = "only the tests of the rules pull sticks out")]
    pub fn set_unreadable(&self, folder: Option<&str>) {
        self.with(|state| state.unreadable = folder.map(PathBuf::from));
    }

    /// Lets no file be opened, though folders can be listed.
    #[allow(dead_code, reason = "only the tests of the rules do that")]
    pub fn set_sealed(&self, is_sealed: bool) {
        self.with(|state| state.is_sealed = is_sealed);
    }

    /// Hides a file, or shows all again.
    pub fn hide(&self, suffix: Option<&str>) {
        self.with(|state| {
            for (path, file) in &mut state.files {
                file.is_hidden = suffix.is_some_and(|suffix| path.to_string_lossy().ends_with(suffix));
            }
        });
    }

    /// Files that were removed since the last call.
    pub fn take_removed(&self) -> Vec<PathBuf> {
        self.with(|state| std::mem::take(&mut state.removed))
    }

    /// The fsyncs so far.
    #[allow(dead_code, reason = "only the tests of the rules count them")]
    pub fn syncs(&self) -> u64 {
        self.with(|state| state.syncs)
    }

    /// The bytes that were read so far.
    #[allow(dead_code, reason = "only the tests of the rules count them")]
    pub fn read_bytes(&self) -> u64 {
        self.with(|state| state.read_bytes)
    }

    /// The commits of the index so far, each of which is one more fsync.
    #[allow(dead_code, reason = "only the tests of the rules count them")]
    pub fn commits(&self) -> u64 {
        self.with(|state| state.commits)
    }

    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.with(|state| state.files.get(path).map(|file| file.data.clone()))
    }

    /// The process ends; with a power failure, what was not synced is lost in part, or turned into something else.
    pub fn end_process(&self, is_power_failure: bool) {
        self.with(|state| {
            state.process += 1;
            (state.is_dead, state.fuse) = (false, None);
            if !is_power_failure {
                return;
            }
            let random = &self.random;
            state.files.retain(|_, file| file.name_is_durable || random.permille(500));
            for file in state.files.values_mut() {
                let unsynced = (file.data.len() - file.synced) as u64;
                let kept = file.synced + random.below(unsynced + 1) as usize;
                file.data.truncate(kept);
                if random.permille(300) {
                    // The length was written, the bytes were not.
                    let from = file.synced + random.below((kept - file.synced) as u64 + 1) as usize;
                    file.data[from..].fill(0);
                }
                file.synced = file.data.len();
                file.name_is_durable = true;
            }
        });
    }
}

impl Disk for SimDisk {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        self.with(State::operation)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWriter>> {
        self.with(|state| {
            state.operation()?;
            if state.is_full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if state.files.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let file = File { data: Vec::new(), synced: 0, name_is_durable: false, is_hidden: false };
            state.files.insert(path.to_owned(), file);
            let writer = Writer { disk: self.clone(), path: path.to_owned(), process: state.process };
            Ok(Box::new(writer) as Box<dyn FileWriter>)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileReader>> {
        self.with(|state| {
            state.operation()?;
            state.check_readable(path)?;
            if state.is_sealed {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            state.file(path)?;
            let reader = Reader { disk: self.clone(), path: path.to_owned() };
            Ok(Box::new(reader) as Box<dyn FileReader>)
        })
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.with(|state| {
            state.operation()?;
            let file = state.file(path)?;
            file.data.truncate(length as usize);
            file.synced = file.data.len();
            file.name_is_durable = true;
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.with(|state| {
            state.operation()?;
            let freed = state.file(path)?.data.len() as u64;
            state.files.remove(path);
            state.free = state.free.map(|free| free + freed);
            state.removed.push(path.to_owned());
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.with(|state| {
            state.operation()?;
            state.syncs += 1;
            for (path, file) in &mut state.files {
                file.name_is_durable |= path.parent() == Some(folder);
            }
            Ok(())
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.with(|state| {
            state.operation()?;
            state.check_readable(folder)?;
            let inside = state.files.keys().filter_map(|path| path.strip_prefix(folder).ok()?.iter().next());
            let mut names: Vec<_> = inside.map(|name| name.to_string_lossy().into_owned()).collect();
            names.dedup();
            if names.is_empty() && state.files.contains_key(folder) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(names)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.with(|state| {
            state.operation()?;
            let mut file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            file.name_is_durable = true;
            state.files.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        self.with(|state| {
            state.operation()?;
            Ok(if state.is_full { 0 } else { state.free.unwrap_or(1 << 40) })
        })
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        struct Held;
        impl Lock for Held {}
        Ok(Some(Box::new(Held)))
    }

    fn before_commit(&self) -> io::Result<()> {
        self.with(|state| {
            state.operation()?;
            if state.is_full && self.random.permille(300) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.commits += 1;
            Ok(())
        })
    }
}

struct Writer {
    disk: SimDisk,
    path: PathBuf,
    process: u64,
}

impl Writer {
    fn with<T>(&self, use_it: impl FnOnce(&mut File, bool, &Seeded) -> io::Result<T>) -> io::Result<T> {
        self.disk.with(|state| {
            state.operation()?;
            if state.process != self.process {
                return Err(dead());
            }
            let is_full = state.is_full;
            let file = state.files.get_mut(&self.path).ok_or_else(dead)?;
            use_it(file, is_full, &self.disk.random)
        })
    }
}

impl FileWriter for Writer {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|file, is_full, random| {
            if is_full {
                let part = random.below(bytes.len() as u64) as usize;
                file.data.extend_from_slice(&bytes[..part]);
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.data.extend_from_slice(bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.with(|state| state.syncs += 1);
        self.with(|file, _, _| {
            file.synced = file.data.len();
            Ok(())
        })
    }
}

struct Reader {
    disk: SimDisk,
    path: PathBuf,
}

impl FileReader for Reader {
    fn size(&self) -> io::Result<u64> {
        self.disk.with(|state| Ok(state.file(&self.path)?.data.len() as u64))
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.with(|state| {
            if state.is_locked {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let data = &state.file(&self.path)?.data;
            let from = data.len().min(offset as usize);
            let read = into.len().min(data.len() - from);
            into[..read].copy_from_slice(&data[from..from + read]);
            state.read_bytes += read as u64;
            Ok(read)
        })
    }
}
