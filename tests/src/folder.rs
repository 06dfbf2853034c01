//! A data folder seen from outside: which files it contains.

use std::path::{Path, PathBuf};

use crate::wait::eventually;

#[derive(Clone)]
pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Every file below a part of the folder, as a path within the folder.
    pub fn files(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut open = vec![self.path.join(below)];
        while let Some(folder) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(entry.path()),
                    _ => found.push(entry.path().strip_prefix(&self.path).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    /// Staged audio, temporary files included, without the lock file of deletions and backups.
    pub fn blobs(&self) -> Vec<String> {
        let mut files = self.files("blobs");
        files.retain(|file| file != HOLD);
        files
    }

    pub async fn until_no_blobs(&self, limit: std::time::Duration) {
        eventually("no staged audio is left", limit, async || self.blobs().is_empty().then_some(())).await;
    }

    /// The secret that the server generated for its own queue.
    pub fn task_secret(&self) -> String {
        std::fs::read_to_string(self.task_secret_file()).unwrap().trim_end().to_owned()
    }

    pub fn store_file(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Removes the queue; no server may run.
    pub fn forget_the_queue(&self) {
        for file in self.files("").iter().filter(|file| file.starts_with(QUEUE)) {
            std::fs::remove_file(self.path.join(file)).unwrap();
        }
    }

    pub fn task_secret_file(&self) -> PathBuf {
        self.path.join(TASK_SECRET)
    }

    /// Every push so far.
    pub fn pushes(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.path.join(PUSH_LOG)).unwrap_or_default();
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
    }
}

const TASK_SECRET: &str = "secrets/task-secret";
const HOLD: &str = "blobs/hold";
const STORE: &str = "store.db";
/// The queue's database, and the prefix of SQLite's files beside it.
const QUEUE: &str = "queue.db";
const PUSH_LOG: &str = "push.log";
