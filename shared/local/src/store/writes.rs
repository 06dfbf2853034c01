//! Writes jobs and recordings as a rule decided.

use domain::decision::{Decided, Writes};
use rusqlite::Connection;

use super::fault::Result;
use super::table::recordings::Before;
use super::table::{jobs, recordings};

/// Writes what was decided, and returns the answer. `before` is how the recordings are stored.
pub fn write<T>(db: &Connection, decided: Decided<T>, before: &[Before]) -> Result<T> {
    let Writes { mut recordings, changed, created } = decided.writes;
    recordings.iter_mut().zip(before).try_for_each(|(recording, before)| recordings::save(db, recording, before))?;
    changed.iter().try_for_each(|change| jobs::update(db, &change.before, &change.job))?;
    created.iter().try_for_each(|job| jobs::insert(db, job))?;
    Ok(decided.answer)
}
