//! A file while it is written: nameless to everybody else, hashed on the way, gone when it is dropped.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use domain::Timestamp;
use flow::ports::{Stored, Sum};

use super::direct;
use super::disk::fault;
use super::piece::is_aligned;
use crate::folder::durable::rename_without_replacing;
use flow::{Error, Kind, Result};

/// How much a writer writes before it asks again whether there is room.
const ASK_EVERY: u64 = 8 * 1024 * 1024;

/// Where temporary files are made, and how much of the disk they must leave.
pub struct TemporaryFiles {
    folder: PathBuf,
    reserve_bytes: u64,
    next: AtomicU64,
}

impl TemporaryFiles {
    pub fn new(folder: PathBuf, reserve_bytes: u64) -> Self {
        Self { folder, reserve_bytes, next: AtomicU64::new(0) }
    }

    /// Whether the disk has more than its reserve.
    pub fn room(&self, operation: &'static str, subject: impl Display) -> Result<()> {
        let disk = match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => disk,
            Err(error) => return Err(fault(operation, subject, error.into())),
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= self.reserve_bytes {
            return Ok(());
        }
        let why = format!("{free} bytes are free, {} are to stay free", self.reserve_bytes);
        Err(Error::new(Kind::Full, operation, subject).because(why))
    }

    /// For a file that comes in pieces.
    pub fn large_file(&self) -> io::Result<Temporary> {
        let mut temporary = self.file()?;
        temporary.direct = direct::begin(&temporary.file);
        Ok(temporary)
    }

    pub fn file(&self) -> io::Result<Temporary> {
        loop {
            let path = self.folder.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Temporary::new(file, path)),
                // Left behind by a program that was killed, and not swept.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a small write would succeed now.
    pub fn try_out(&self) -> io::Result<()> {
        self.file()?.file.write_all(b"ready")
    }
}

pub struct Temporary {
    file: File,
    /// `None` when the file has its name.
    path: Option<PathBuf>,
    sum: Sum,
    /// At how many bytes the next look at the disk's room is due.
    ask_at: u64,
    /// Whether the disk takes the bytes from our memory, without the kernel's copy of them.
    direct: bool,
}

impl Temporary {
    fn new(file: File, path: PathBuf) -> Self {
        Self { file, path: Some(path), sum: Sum::default(), ask_at: ASK_EVERY, direct: false }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.direct && !is_aligned(bytes, self.sum.size) {
            self.end_direct()?;
        }
        match self.file.write_all(bytes) {
            // A disk that asks for more than we know: what it took of them is written once more.
            Err(error) if self.direct && error.kind() == ErrorKind::InvalidInput => {
                self.end_direct()?;
                self.file.seek(SeekFrom::Start(self.sum.size))?;
                self.file.write_all(bytes)?;
            }
            written => written?,
        }
        self.sum.add(bytes);
        Ok(())
    }

    fn end_direct(&mut self) -> io::Result<()> {
        self.direct = false;
        direct::end(&self.file)
    }

    /// Whether enough was written since the last time that the room is to be looked at again.
    pub fn is_to_ask(&mut self) -> bool {
        let due = self.sum.size >= self.ask_at;
        if due {
            self.ask_at = self.sum.size + ASK_EVERY;
        }
        due
    }

    /// Makes the bytes durable. The file's age counts from `now`, whatever the kernel's clock says.
    pub fn settle(&mut self, now: Timestamp) -> io::Result<Stored> {
        let since_1970 = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
        self.file.set_modified(SystemTime::UNIX_EPOCH + since_1970)?;
        self.file.sync_all()?;
        Ok(self.sum.stored())
    }

    /// Gives the file its name, if nothing has it yet: else `AlreadyExists`.
    pub fn place(&mut self, to: &Path) -> io::Result<()> {
        if let Some(from) = &self.path {
            rename_without_replacing(from, to)?;
            self.path = None;
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = self.path.take().map(fs::remove_file);
    }
}
