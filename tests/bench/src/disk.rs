//! The best that the disk can do: the baseline of everything that is durable.

use std::time::{Duration, Instant};

use anyhow::Result;
use rusqlite::Connection;

const MEASURED: Duration = Duration::from_secs(2);

/// Measures commits of one small row, fully synchronous and one after another, on the disk where data folders lie.
pub fn commits_a_second() -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let db = Connection::open(folder.path().join("commits.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)",
    )?;
    let mut insert = db.prepare("INSERT INTO t (v) VALUES (?1)")?;
    let (begin, mut commits) = (Instant::now(), 0_u32);
    while begin.elapsed() < MEASURED {
        insert.execute([[0_u8; 200]])?;
        commits += 1;
    }
    Ok(f64::from(commits) / begin.elapsed().as_secs_f64())
}
