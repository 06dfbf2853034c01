//! A file while it is written: it has no public name, its checksum is computed on the way, and it is
//! removed on drop.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use domain::Timestamp;
use flow::ports::{Checksum, StoredBlob};

use super::direct;
use super::disk::fault;
use super::piece::is_aligned;
use crate::folder::durable::rename_without_replacing;
use flow::{Error, Kind, Result};

/// How many bytes a writer writes before it checks the free space again.
const CHECK_SPACE_EVERY: u64 = 8 * 1024 * 1024;

/// The folder of temporary files, and how much of the disk they must leave free.
pub struct TemporaryFiles {
    folder: PathBuf,
    reserve_bytes: u64,
    next: AtomicU64,
}

impl TemporaryFiles {
    pub fn new(folder: PathBuf, reserve_bytes: u64) -> Self {
        Self { folder, reserve_bytes, next: AtomicU64::new(0) }
    }

    /// Checks that the disk has more free space than the reserve.
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

    /// Creates a temporary file for a blob that is written in several pieces.
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
                // A program that was killed left this file behind, and it has not been swept yet.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Checks whether a small write succeeds now.
    pub fn try_out(&self) -> io::Result<()> {
        self.file()?.file.write_all(b"ready")
    }
}

pub struct Temporary {
    file: File,
    /// `None` once the file has its final name.
    path: Option<PathBuf>,
    sum: Checksum,
    /// The size at which the free space is checked next.
    next_space_check: u64,
    /// Whether direct I/O is on.
    direct: bool,
}

impl Temporary {
    fn new(file: File, path: PathBuf) -> Self {
        Self { file, path: Some(path), sum: Checksum::default(), next_space_check: CHECK_SPACE_EVERY, direct: false }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.direct && !is_aligned(bytes, self.sum.size) {
            self.stop_direct()?;
        }
        match self.file.write_all(bytes) {
            // The disk demands a larger alignment than we know: whatever it took of these bytes is written again.
            Err(error) if self.direct && error.kind() == ErrorKind::InvalidInput => {
                self.stop_direct()?;
                self.file.seek(SeekFrom::Start(self.sum.size))?;
                self.file.write_all(bytes)?;
            }
            written => written?,
        }
        self.sum.add(bytes);
        Ok(())
    }

    fn stop_direct(&mut self) -> io::Result<()> {
        self.direct = false;
        direct::end(&self.file)
    }

    /// Whether enough was written since the last check that the free space is to be checked again.
    pub fn is_space_check_due(&mut self) -> bool {
        let due = self.sum.size >= self.next_space_check;
        if due {
            self.next_space_check = self.sum.size + CHECK_SPACE_EVERY;
        }
        due
    }

    /// Makes the bytes durable. The file's age counts from `now`, whatever the kernel's clock says.
    pub fn make_durable(&mut self, now: Timestamp) -> io::Result<StoredBlob> {
        let since_1970 = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
        self.file.set_modified(SystemTime::UNIX_EPOCH + since_1970)?;
        self.file.sync_all()?;
        Ok(self.sum.stored())
    }

    /// Gives the file its name. Fails with `AlreadyExists` if the name is taken.
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
        // A file that cannot be removed now is removed at the next start.
        let _ = self.path.take().map(fs::remove_file);
    }
}
