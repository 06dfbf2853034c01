//! Adapters for one machine: SQLite for the store and the queue, and a disk for audio. Nothing else has
//! to be installed.

pub mod backup;
pub mod blobs;
pub mod folder;
pub mod identity;
pub mod metrics;
pub mod push_log;
pub mod queue;
pub mod secret;
pub mod sqlite;
pub mod store;
pub mod vacuum;

pub use blobs::{DiskBlobs, DiskUploads};
pub use folder::DataFolder;
pub use identity::LocalIdentity;
pub use push_log::PushLog;
pub use queue::{LocalQueue, QueueSettings};
pub use store::SqliteStore;
