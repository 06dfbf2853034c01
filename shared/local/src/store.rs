//! The job store in SQLite: everything that must be consistent is one transaction for each operation.

mod accept;
mod all_jobs;
mod archive;
mod benchmark_fill;
pub mod damaged;
mod deletion;
mod devices;
mod fault;
mod feed;
mod placement_context;
mod port;
mod query;
mod reading;
mod redirects;
mod schema;
mod session;
mod step;
mod table;
mod user_slots;
mod worker_writes;
mod writes;

use std::fmt::Display;
use std::path::Path;

use domain::{Rules, Timestamp};
use flow::ports::At;
use flow::ports::WrittenUser;
use flow::ports::feed::Watchers;
use flow::{Error, Kind};
use rusqlite::Connection;

use crate::sqlite::{OpenError, Readers, Size, Writer, open_to_read};
pub(crate) use schema::{MIGRATIONS, refuse_newer};

pub struct SqliteStore {
    /// Dropped first: the connection that is closed last writes the log into the database, and a reader
    /// cannot do that.
    readers: Readers,
    /// `None` when the store was opened read-only.
    writer: Option<Writer>,
    watchers: Watchers,
}

impl SqliteStore {
    /// Opens the store for the one server that owns the data folder. Creates the database if necessary, and
    /// brings its schema up to date.
    pub fn open(path: &Path, readers: usize) -> Result<Self, OpenError> {
        let writer = Some(Writer::open_erasing(path, MIGRATIONS)?);
        Ok(Self { writer, readers: Readers::open(path, readers)?, watchers: Watchers::default() })
    }

    /// Opens the store for a command that writes while a server may be running: each waits a bounded time
    /// for the other.
    pub fn open_alongside(path: &Path, readers: usize) -> Result<Self, OpenError> {
        let writer = Some(Writer::open_alongside(path, MIGRATIONS)?);
        Ok(Self { writer, readers: Readers::open(path, readers)?, watchers: Watchers::default() })
    }

    /// Opens the store for a command that only reads, while a server may be running. Operations that write
    /// are refused.
    pub fn open_read_only(path: &Path, readers: usize) -> Result<Self, OpenError> {
        schema::check(&open_to_read(path)?, path)?;
        Ok(Self { writer: None, readers: Readers::open(path, readers)?, watchers: Watchers::default() })
    }

    /// How large the database is.
    pub async fn size(&self) -> flow::Result<Size> {
        self.read("store.size", "", |db| Ok(Size::of(db)?)).await
    }

    /// When any job was changed last; `None` without a job.
    pub async fn newest_change(&self) -> flow::Result<Option<Timestamp>> {
        self.read("store.newest_change", "", table::jobs::newest_change).await
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl Display + Send,
        change: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> flow::Result<T> {
        self.write_then(operation, subject, change, |_| {}).await
    }

    /// Like [`write`](Self::write), and wakes the watchers of the jobs that were written, even if the
    /// caller has gone: the commit stands.
    async fn write_jobs<T: WrittenUser + Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl Display + Send,
        change: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> flow::Result<T> {
        let watchers = self.watchers.clone();
        let wake = move |written: &T| written.uid().into_iter().for_each(|uid| watchers.wake(uid));
        self.write_then(operation, subject, change, wake).await
    }

    async fn write_then<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl Display + Send,
        change: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
        committed: impl FnOnce(&T) + Send + 'static,
    ) -> flow::Result<T> {
        match &self.writer {
            Some(writer) => writer.call_then(operation, subject, change, committed).await,
            None => Err(Error::new(Kind::Invalid, operation, subject).because("the store was opened to be read only")),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        subject: impl Display + Send,
        look: impl FnOnce(&Connection) -> fault::Result<T> + Send + 'static,
    ) -> flow::Result<T> {
        self.readers.call(operation, subject, look).await
    }
}

/// [`At`] with owned data, so that it can be sent to another thread.
struct Moment {
    now: Timestamp,
    rules: Rules,
}

impl Moment {
    fn of(at: &At<'_>) -> Self {
        Self { now: at.now, rules: at.rules.clone() }
    }

    fn at(&self) -> At<'_> {
        At { now: self.now, rules: &self.rules }
    }
}

#[cfg(test)]
mod tests;
