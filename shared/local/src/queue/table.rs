//! The rows of the queue: one for each task, kept for an hour after the task has ended.

use std::time::Duration;

use bytes::Bytes;
use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::task::Task;
use super::upcoming::Page;

/// Migrations are applied in order; one that was released is never edited.
pub const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// How long a name stays taken after its task has ended: about as long as in Cloud Tasks.
pub const TOMBSTONE: Duration = Duration::from_secs(3600);

/// Inserts a task. Returns the row's id, or `None` if the name is taken, in which case there is nothing
/// to do.
pub fn create(db: &Connection, task: &Task, now: Timestamp) -> Result<Option<i64>> {
    if let Some(id) = insert(db, task)? {
        return Ok(Some(id));
    }
    let mut expired = db.prepare_cached("DELETE FROM tasks WHERE name = ?1 AND ended <= ?2")?;
    match expired.execute(params![task.name, (now - TOMBSTONE).millis()])? {
        0 => Ok(None),
        _ => insert(db, task),
    }
}

fn insert(db: &Connection, task: &Task) -> Result<Option<i64>> {
    let sql = "INSERT INTO tasks (name, due, body, traceparent) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING";
    let row = params![task.name, task.due.millis(), &task.body[..], task.traceparent];
    let inserted = db.prepare_cached(sql)?.execute(row)?;
    Ok((inserted == 1).then(|| db.last_insert_rowid()))
}

/// Inserts the tasks that are in memory into a new table, whose ids begin at `first`.
pub fn keep(db: &Connection, first: i64, tasks: &[Task]) -> Result<()> {
    db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('tasks', ?1)", [first])?;
    for task in tasks {
        if let Some(id) = insert(db, task)? {
            put_off(db, &Task { id, ..task.clone() })?;
        }
    }
    Ok(())
}

/// Ends a task that was done or given up: only its name stays.
pub fn end(db: &Connection, id: i64, now: Timestamp) -> Result<()> {
    let sql =
        "UPDATE tasks SET due = NULL, ended = ?2, body = x'', traceparent = NULL WHERE id = ?1 AND due IS NOT NULL";
    db.prepare_cached(sql)?.execute(params![id, now.millis()])?;
    Ok(())
}

/// Puts off a task that failed: it is delivered again at its new `due`.
pub fn put_off(db: &Connection, task: &Task) -> Result<()> {
    let sql = "UPDATE tasks SET due = ?2, retries = ?3, answers = ?4 WHERE id = ?1 AND due IS NOT NULL";
    db.prepare_cached(sql)?.execute(params![task.id, task.due.millis(), task.retries, task.answers])?;
    Ok(())
}

pub fn is_unfinished(db: &Connection, name: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tasks WHERE name = ?1 AND due IS NOT NULL)";
    db.prepare_cached(sql)?.query_row([name], |row| row.get(0))
}

/// The nearest `limit` unfinished tasks, including those that are running.
pub fn nearest(db: &Connection, limit: usize) -> Result<Page> {
    let sql = "SELECT id, name, due, retries, answers, body, traceparent FROM tasks WHERE due IS NOT NULL
               ORDER BY due, id LIMIT ?1";
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let tasks = db.prepare_cached(sql)?.query_map([rows], task)?.collect::<Result<Vec<_>>>()?;
    let last_id = "SELECT seq FROM sqlite_sequence WHERE name = 'tasks'";
    let last_id = db.prepare_cached(last_id)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
    Ok(Page { complete: tasks.len() < limit, tasks, last_id })
}

fn task(row: &Row<'_>) -> Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        name: row.get(1)?,
        due: Timestamp::from_millis(row.get(2)?),
        retries: row.get(3)?,
        answers: row.get(4)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
        traceparent: row.get(6)?,
    })
}

/// Frees at most `limit` names whose hour is over. Returns how many were freed.
pub fn purge(db: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let sql = "DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE ended <= ?1 ORDER BY ended LIMIT ?2)";
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute(params![(now - TOMBSTONE).millis(), rows])
}

#[cfg(test)]
mod tests;
