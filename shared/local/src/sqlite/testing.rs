//! A database of one table, in a folder that is removed after the test.

use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::{Readers, Writer};

pub const MIGRATIONS: &[&str] = &["CREATE TABLE words (word TEXT NOT NULL PRIMARY KEY) STRICT"];

pub struct Database {
    _folder: TempDir,
    pub path: PathBuf,
}

impl Database {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.db");
        Self { _folder: folder, path }
    }

    pub fn writer(&self) -> Writer {
        Writer::open(&self.path, MIGRATIONS).unwrap()
    }

    pub fn readers(&self) -> Readers {
        Readers::open(&self.path, 2).unwrap()
    }

    /// The words that another process would see.
    pub fn words(&self) -> Vec<String> {
        words(&Connection::open(&self.path).unwrap()).unwrap()
    }
}

pub fn add(db: &Connection, word: &str) -> rusqlite::Result<usize> {
    db.execute("INSERT INTO words VALUES (?1)", [word])
}

pub fn words(db: &Connection) -> rusqlite::Result<Vec<String>> {
    db.prepare("SELECT word FROM words ORDER BY word")?.query_map([], |row| row.get(0))?.collect()
}
