//! The bytes of upload sessions on their way: where they go, how many are there, and what becomes of those that nobody
//! wants. A file that is whole is a blob like any other; until then it is nothing that anybody reads.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::UploadUrl;

use super::blobs::BlobName;
use crate::error::Result;

/// What was announced of a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub size: u64,
    pub crc32c: Option<u32>,
}

/// How far the bytes of a file have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes are there for good.
    Open { offset: u64 },
    /// The file is a blob under its name.
    Whole { size: u64, crc32c: u32 },
    /// The place for the bytes does not exist any more.
    Gone,
}

#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Makes the place for a file's bytes. The address in it is the credential: at least 128 random bits. Each call makes
    /// an address of its own; which one counts is the caller's to decide.
    async fn start(&self, name: &BlobName, expected: Expected) -> Result<UploadUrl>;

    /// How many bytes are durably there. Disturbs nobody who is sending.
    async fn progress(&self, name: &BlobName, url: &UploadUrl, expected: Expected) -> Result<Progress>;

    /// Deletes what has arrived of a file that is not whole; whoever is sending is stopped. "Not found" is success. What
    /// is whole is a blob, and [`Blobs::delete`](super::Blobs::delete) deletes it.
    async fn abandon(&self, name: &BlobName, url: Option<&UploadUrl>) -> Result<()>;

    /// Files of which something has arrived and that sort after `after`, in order, at most `limit`; the age of each since
    /// bytes last came. For the orphan rule: empty where unfinished uploads end by themselves.
    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>>;

    /// Whether there is room for more bytes now: else [`Kind::Full`](crate::error::Kind::Full).
    async fn room(&self) -> Result<()>;
}

/// A file when somebody comes to send more of it.
pub enum Arriving {
    /// Nothing is missing.
    Whole {
        size: u64,
        crc32c: u32,
    },
    Open(Box<dyn PartWriter>),
}

/// What is held while bytes of a file arrive. Whatever was written counts, however it ends: dropped, it makes the bytes
/// durable in the background, and nobody else gets the file before that is done.
#[async_trait]
pub trait PartWriter: Send {
    /// Where the next byte goes.
    fn offset(&self) -> u64;

    /// Appends. May keep up to 256 KiB in memory; waits while the disk is slower than the client. More bytes than were
    /// announced are [`Kind::Invalid`](crate::error::Kind::Invalid), and nothing of them is written.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Resolves when somebody else has come to send the file: what was written is to be flushed, and no more.
    async fn displaced(&self);

    /// Makes durable what was written. With the last byte the file becomes a blob under its name; when its bytes are not
    /// the ones that were announced, all of them go, and it is [`Kind::Corrupt`](crate::error::Kind::Corrupt).
    async fn flush(self: Box<Self>) -> Result<Progress>;
}

/// Where the bytes come through this process.
#[async_trait]
pub trait ReceivesUploads: Uploads {
    /// Takes the file to append to it. Whoever had it is told to stop, and waited for, a bounded time: the one who comes
    /// last has a connection that lives. [`Kind::Full`](crate::error::Kind::Full) when the disk's reserve is reached.
    async fn append(&self, name: &BlobName, expected: Expected) -> Result<Arriving>;
}
