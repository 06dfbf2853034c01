//! The queue of an embedded server: the semantics of Cloud Tasks on top of SQLite, with real HTTP
//! deliveries.
//!
//! A task is a row before `enqueue` returns, and stays one until the worker has answered it with
//! success. Which tasks are running is kept in memory only, so that after a crash every unfinished task
//! is due again by its schedule.

mod backoff;
mod call;
mod damaged_copies;
mod delivery;
mod dispatcher;
mod loading;
mod outcome;
mod rate_limiter;
mod rows;
mod settings;
mod table;
mod task;
mod upcoming;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use flow::ports::{Clock, NewTask, Queue, Random, TaskName};
use flow::{Error, Kind, Result};
use tokio::sync::Notify;

use crate::sqlite::{self, Size};

use self::call::Caller;
use self::rows::Rows;
pub use self::settings::{InvalidSetting, QueueSettings};
pub(crate) use self::table::MIGRATIONS;
use self::task::{Key, Task};
use self::upcoming::Upcoming;

/// Why the queue cannot be used, in one line for the person who starts the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Database(#[from] sqlite::OpenError),
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
}

pub struct LocalQueue {
    settings: QueueSettings,
    rows: Rows,
    caller: Caller,
    upcoming: Arc<Mutex<Upcoming>>,
    /// Wakes the dispatcher when a task may be due.
    woken: Arc<Notify>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl LocalQueue {
    /// Opens the queue. Nothing is delivered until [`deliver`](Self::deliver) runs. A damaged database is
    /// put aside and replaced by a new one.
    pub fn open(
        path: &Path,
        settings: QueueSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> std::result::Result<Self, OpenError> {
        settings.check()?;
        let caller = Caller::new(&settings)?;
        let upcoming = Arc::new(Mutex::new(Upcoming::new()));
        let woken = Arc::new(Notify::new());
        let rows = Rows::open(path, Arc::clone(&upcoming), Arc::clone(&woken))?;
        Ok(Self { settings, rows, caller, upcoming, woken, clock, random })
    }

    fn upcoming(&self) -> MutexGuard<'_, Upcoming> {
        // Nothing panics half-way while the lock is held: the steps only move tasks between collections.
        self.upcoming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubt(&self, key: Key) {
        self.upcoming().doubt(key);
        self.woken.notify_one();
    }

    /// How large the database is.
    pub async fn size(&self) -> Result<Size> {
        self.rows.call("queue.size", "", Size::of).await
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn enqueue(&self, task: NewTask) -> Result<()> {
        let now = self.clock.now();
        let task = row(task, now)?;
        // The caller may stop waiting, or the answer may be lost: the row may exist all the same.
        let mut doubt = Doubt { queue: self, key: Some((task.due, i64::MIN)) };
        let new = task.clone();
        let created = self.rows.call("queue.enqueue", &task.name, move |db| table::create(db, &new, now)).await;
        if !matches!(&created, Err(Error { kind: Kind::Unknown, .. })) {
            doubt.key = None;
        }
        if let Some(id) = created?
            && self.upcoming().offer(Task { id, ..task })
        {
            self.woken.notify_one();
        }
        Ok(())
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        let text = name.to_string();
        self.rows.call("queue.exists", name, move |db| table::is_unfinished(db, &text)).await
    }

    async fn ready(&self) -> Result<()> {
        self.rows.call("queue.ready", "", |db| table::nearest(db, 1)).await.map(drop)
    }
}

/// While it exists, the table may contain a task at or after this key that is not in memory.
struct Doubt<'a> {
    queue: &'a LocalQueue,
    key: Option<Key>,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.queue.doubt(key);
        }
    }
}

/// Builds the row of a new task; its id is still unknown.
fn row(task: NewTask, now: domain::Timestamp) -> Result<Task> {
    let name = task.name().to_string();
    let body = serde_json::to_vec(&task.body);
    let body = body.map_err(|why| Error::new(Kind::Invalid, "queue.enqueue", &name).because(why))?;
    let due = task.schedule.unwrap_or(now);
    Ok(Task { id: 0, name, due, retries: 0, answers: 0, body: Bytes::from(body), traceparent: task.traceparent })
}
