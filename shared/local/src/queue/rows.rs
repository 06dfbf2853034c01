//! The queue's database. It contains nothing that the store does not know. A damaged database is
//! therefore put aside and replaced by a new one, at the start or whenever the damage shows. The sweep
//! creates the tasks again that are not in memory either.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flow::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::{Notify, RwLock};

use super::damaged_copies::put_aside;
use super::table;
use super::upcoming::Upcoming;
use crate::sqlite::{OpenError, Writer};

/// The distance between the ids of two successive files. All ids of a new file are above those of the
/// old one, so that a running delivery never ends a task of the new file.
const IDS_OF_A_FILE: i64 = 1 << 40;

pub struct Rows(Arc<Inner>);

struct Inner {
    path: PathBuf,
    upcoming: Arc<Mutex<Upcoming>>,
    /// Wakes the dispatcher, which then loads the tasks again.
    woken: Arc<Notify>,
    /// Each call holds the read lock, so that nobody uses a file while it is being replaced.
    file: RwLock<File>,
}

struct File {
    /// `None` while the file is replaced, and when that failed.
    writer: Option<Writer>,
    /// How many files were replaced before this one in this process.
    number: u32,
}

impl Rows {
    pub fn open(
        path: &Path,
        upcoming: Arc<Mutex<Upcoming>>,
        woken: Arc<Notify>,
    ) -> std::result::Result<Self, OpenError> {
        let writer = match open(path) {
            Ok(writer) => writer,
            Err(error) => {
                let Some(damage) = damage(&error) else { return Err(error) };
                put_aside_damaged(path, &damage)?;
                open(path)?
            }
        };
        let file = RwLock::new(File { writer: Some(writer), number: 0 });
        Ok(Self(Arc::new(Inner { path: path.to_owned(), upcoming, woken, file })))
    }

    /// Runs `step` in a transaction, as [`Writer::call`] does. If the file turns out to be damaged, it is
    /// replaced and the step runs again on the new one.
    pub async fn call<T, F>(&self, operation: &'static str, subject: impl Display + Send, step: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Clone + Send + 'static,
    {
        let subject = subject.to_string();
        let (number, outcome) = self.0.once(operation, &subject, step.clone()).await;
        match outcome {
            Err(error) if error.kind == Kind::Corrupt => {
                self.replace(number, error).await?;
                self.0.once(operation, &subject, step).await.1
            }
            outcome => outcome,
        }
    }

    /// Replaces the file. A caller that stops waiting does not interrupt this.
    async fn replace(&self, number: u32, damage: Error) -> Result<()> {
        let (inner, operation) = (Arc::clone(&self.0), damage.operation);
        let failed = |why| Error::new(Kind::Unavailable, operation, "").because(why);
        let replacing = tokio::spawn(async move { inner.replace(number, &damage).await });
        replacing.await.unwrap_or_else(|panic| Err(panic.to_string())).map_err(failed)
    }
}

impl Inner {
    async fn once<T, F>(&self, operation: &'static str, subject: &str, step: F) -> (u32, Result<T>)
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let file = self.file.read().await;
        let outcome = match &file.writer {
            Some(writer) => writer.call(operation, subject, step).await,
            // Nothing of the old file is left to lose, so it is replaced like a damaged one.
            None => Err(Error::new(Kind::Corrupt, operation, subject).because("the queue's database is not open")),
        };
        (file.number, outcome)
    }

    async fn replace(self: Arc<Self>, number: u32, damage: &Error) -> std::result::Result<(), String> {
        let mut file = self.file.write().await;
        if file.number != number {
            // Another call has replaced the file already.
            return Ok(());
        }
        // The old connection is closed before its file names are free: the last connection removes the log
        // beside a database by its name.
        let old = file.writer.take();
        let known = self.upcoming().take_all();
        let (path, why, next) = (self.path.clone(), damage.to_string(), number.saturating_add(1));
        let made = tokio::task::spawn_blocking(move || {
            drop(old);
            put_aside_damaged(&path, &why)?;
            let writer = open(&path)?;
            Ok::<_, OpenError>(writer)
        });
        let writer = made.await.map_err(|panic| panic.to_string())?.map_err(|error| error.to_string())?;
        let first = i64::from(next) * IDS_OF_A_FILE;
        let kept = writer.call("queue.keep", "", move |db| table::keep(db, first, &known)).await;
        kept.map_err(|error| error.to_string())?;
        (file.writer, file.number) = (Some(writer), next);
        self.woken.notify_one();
        Ok(())
    }

    fn upcoming(&self) -> std::sync::MutexGuard<'_, Upcoming> {
        self.upcoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> std::result::Result<Writer, OpenError> {
    // Runs the same queries as the queue, so that a missing table or column is noticed now.
    Writer::open_whole(path, table::MIGRATIONS, |db| {
        table::nearest(db, 1).and_then(|_| table::is_unfinished(db, "")).map(drop)
    })
}

/// What is damaged in the file, if it may be replaced. A foreign or unknown version counts as a damaged
/// header: the folder belongs to this server, and its store has been opened before.
fn damage(error: &OpenError) -> Option<String> {
    match error {
        OpenError::Damaged { why, .. } => Some(why.to_string()),
        OpenError::Foreign { .. } => Some("its header is not the queue's".to_owned()),
        OpenError::Newer { found, .. } => Some(format!("its header says schema {found}")),
        _ => None,
    }
}

fn put_aside_damaged(path: &Path, why: &str) -> std::result::Result<(), OpenError> {
    let aside = put_aside(path).map_err(|error| OpenError::CannotMoveAside { path: path.to_owned(), why: error })?;
    tracing::error!(
        path = %path.display(), aside = %aside.display(), cause = why,
        remedy = "test the disk; no job is lost, because the store has them all and their tasks are created again",
        "the queue's database is damaged: it was put aside and a new one is created"
    );
    Ok(())
}
