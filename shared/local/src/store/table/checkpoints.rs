//! `checkpoints`: the progress of the first pass over a job's files.

use domain::JobId;
use rusqlite::{Connection, params};

use crate::store::fault::Result;
use crate::store::query::{one, queries, rows, run};

queries! {
    LOAD = "SELECT bytes FROM checkpoints WHERE job = ?1 AND file = ?2";
    SAVE = "INSERT INTO checkpoints (job, file, bytes) VALUES (?1, ?2, ?3)
        ON CONFLICT (job, file) DO UPDATE SET bytes = excluded.bytes";
    DELETE = "DELETE FROM checkpoints WHERE job = ?1";
}

pub fn load(db: &Connection, job: JobId, file: usize) -> Result<Option<Vec<u8>>> {
    one(db, LOAD, params![job.0.as_bytes(), rows(file)], |row| Ok(row.get(0)?))
}

pub fn save(db: &Connection, job: JobId, file: usize, bytes: &[u8]) -> Result<()> {
    run(db, SAVE, params![job.0.as_bytes(), rows(file), bytes]).map(drop)
}

/// Deletes the checkpoints of all files of the job.
pub fn delete(db: &Connection, job: JobId) -> Result<()> {
    run(db, DELETE, [job.0.as_bytes()]).map(drop)
}
