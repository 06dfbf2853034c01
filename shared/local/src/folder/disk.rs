//! Why a disk takes no writes, and what a person can do. Neither SQLite nor a failed write always tells.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};

/// A disk with less room than this counts as full: the index of a database's log takes 32 KiB.
pub const LITTLE: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskRefusal {
    Full { free: u64 },
    ReadOnly,
}

impl DiskRefusal {
    /// What is wrong with the disk that holds this path, or would hold it; `None` if it takes writes.
    pub fn at(path: &Path) -> Option<Self> {
        match disk(path) {
            Some(disk) if disk.f_flag.contains(StatVfsMountFlags::RDONLY) => Some(Self::ReadOnly),
            Some(disk) if free(&disk) < LITTLE => Some(Self::Full { free: free(&disk) }),
            _ => None,
        }
    }

    /// The same after a write that failed.
    pub fn of(path: &Path, why: &io::Error) -> Option<Self> {
        match why.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Some(Self::ReadOnly),
            // A quota may be used up while the disk has room.
            _ if system::is_full(why) => Some(Self::Full { free: free_bytes(path) }),
            _ => None,
        }
    }
}

impl fmt::Display for DiskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { free } => {
                write!(f, "its disk is full ({free} bytes are free); free some room there, then try again")
            }
            Self::ReadOnly => f.write_str(
                "its disk is mounted read-only; mount it writable (after errors of a disk the system mounts it so by \
                 itself: see `dmesg`), then try again",
            ),
        }
    }
}

/// The free bytes of the disk that holds this path, or would hold it.
pub fn free_bytes(path: &Path) -> u64 {
    disk(path).map_or(0, |disk| free(&disk))
}

fn disk(path: &Path) -> Option<StatVfs> {
    path.ancestors().find_map(|folder| statvfs(folder).ok())
}

fn free(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}
