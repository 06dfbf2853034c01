//! The archive port: the lasting data of users, exported from one store and imported into another. Jobs, devices and limits
//! belong to an installation and are not exported.

use async_trait::async_trait;
use domain::Uid;
pub use domain::archive::{Imported, MAX_IMPORT, Record, RecordKey};

use crate::error::Result;

/// A store whose lasting data can be exported and imported. No operation reads or writes jobs.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Users who have any data, each once, after the cursor. The order is up to the store.
    async fn users(&self, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>>;

    /// At most `limit` records of a user after the cursor, in the order of [`RecordKey`]. The result is empty only at the
    /// end. A document that cannot be read is returned as [`Record::Unreadable`].
    async fn export(&self, uid: &Uid, after: Option<RecordKey>, limit: usize) -> Result<Vec<Record>>;

    /// Writes the records that do not exist yet. An existing one is never changed; it is a conflict if it differs or
    /// cannot be read. A written deletion takes effect for jobs that work on the same audio. Atomic. Idempotent. More
    /// than [`MAX_IMPORT`] records, or records of another user, are [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn import(&self, uid: &Uid, records: &[Record]) -> Result<Imported>;
}
