//! A small disk of its own for one test: it can be full, or read-only.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub const NO_MOUNT: &str = "a disk of its own needs the right to mount a tmpfs (root on Linux)";

/// A small disk for one test.
pub struct Disk {
    at: TempDir,
}

impl Disk {
    /// Returns `None` where mounting is not allowed.
    pub fn new(size: usize) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], at.path());
        mounted.then_some(Self { at })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at.path().join(name)
    }

    pub fn read_only(&self, read_only: bool) {
        let how = if read_only { "remount,ro" } else { "remount,rw" };
        assert!(mount(&["-o", how], self.at.path()));
    }

    /// Fills the disk until this much room is left.
    pub fn fill_up_to(&self, left: u64) {
        let free = rustix::fs::statvfs(self.at.path()).unwrap();
        let ballast = (free.f_bavail * free.f_frsize).saturating_sub(left);
        match std::fs::write(self.path("ballast"), vec![0; usize::try_from(ballast).unwrap()]) {
            // The server wrote in the meantime, so the disk is full anyway.
            Err(error) if left == 0 && error.kind() == std::io::ErrorKind::StorageFull => {}
            written => written.unwrap(),
        }
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
    }
}

/// A folder that is shown under another name, too.
pub struct Bind {
    at: TempDir,
}

impl Bind {
    /// Returns `None` where mounting is not allowed.
    pub fn of(folder: &Path) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        mount(&["--bind", folder.to_str().unwrap()], at.path()).then_some(Self { at })
    }

    pub fn path(&self) -> &Path {
        self.at.path()
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).output();
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    Command::new("mount").args(args).arg(at).output().is_ok_and(|output| output.status.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Unmounts lazily: a server that is being killed may still hold a file open.
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).output();
    }
}
