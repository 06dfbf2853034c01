//! A disk that takes seconds for a sync: a small library is preloaded into the program, which waits before each one.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::setup::Setup;

pub const NO_PRELOAD: &str = "a slow disk needs Linux and a C compiler";

pub struct SlowDisk {
    place: TempDir,
    seconds: u32,
}

impl SlowDisk {
    /// `None` where no library can be preloaded, or no C compiler is there.
    pub fn of(seconds: u32) -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let disk = Self { place: tempfile::tempdir().unwrap(), seconds };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/slow_sync.c");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(disk.library()).arg(source).status();
        built.is_ok_and(|built| built.success()).then_some(disk)
    }

    /// Servers of this setup have this disk.
    pub fn under(&self, setup: Setup) -> Setup {
        let text = |path: PathBuf| path.display().to_string();
        let setup = setup.env("LD_PRELOAD", &text(self.library())).env("SLOW_SYNC_WHILE", &text(self.switch()));
        setup.env("SLOW_SYNC_SECONDS", &self.seconds.to_string())
    }

    /// From now on each sync takes its time.
    pub fn slow_down(&self) {
        self.slow_down_for("");
    }

    /// From now on each sync of a file whose path contains this takes its time.
    pub fn slow_down_for(&self, part: &str) {
        std::fs::write(self.switch(), part).unwrap();
    }

    fn library(&self) -> PathBuf {
        self.place.path().join("slow_sync.so")
    }

    fn switch(&self) -> PathBuf {
        self.place.path().join("slow")
    }
}
