//! Resumable uploads: where the bytes of upload sessions are written, how many have arrived, and how abandoned ones are
//! deleted. A complete file is a blob like any other; before that nobody can read it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::UploadUrl;

use super::blobs::BlobName;
use crate::error::Result;

/// The announced size and checksum of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub size: u64,
    pub crc32c: Option<u32>,
}

/// The progress of a file's upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This many bytes are stored durably.
    Open { offset: u64 },
    /// The file is complete and is a blob under its name.
    Whole { size: u64, crc32c: u32 },
    /// The upload does not exist any more.
    Gone,
}

#[async_trait]
pub trait Uploads: Send + Sync + 'static {
    /// Starts an upload and returns its address. The address is the credential, with at least 128 random bits. Each call
    /// creates a new address; the caller decides which one counts.
    async fn start(&self, name: &BlobName, expected: Expected) -> Result<UploadUrl>;

    /// How many bytes are stored durably. A client that is sending is not interrupted.
    async fn progress(&self, name: &BlobName, url: &UploadUrl, expected: Expected) -> Result<Progress>;

    /// Deletes the bytes of an incomplete file; a client that is sending is stopped. It is a success if there is no
    /// such upload. A complete file is a blob, which [`Blobs::delete`](super::Blobs::delete) deletes.
    async fn abandon(&self, name: &BlobName, url: Option<&UploadUrl>) -> Result<()>;

    /// At most `limit` incomplete files that sort after `after`, in order, each with the time since bytes last arrived.
    /// Used by the orphan rule; empty if unfinished uploads expire by themselves.
    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>>;

    /// Checks that there is room for more bytes now; otherwise the result is [`Kind::Full`](crate::error::Kind::Full).
    async fn room(&self) -> Result<()>;
}

/// The state of a file when a client wants to send more of it.
pub enum IncomingUpload {
    /// The file is complete.
    Whole {
        size: u64,
        crc32c: u32,
    },
    Open(Box<dyn PartWriter>),
}

/// The exclusive writer of a file while bytes arrive. Everything written counts, even if it ends early: when dropped, it
/// makes the bytes durable in the background, and nobody else gets the file before that is done.
#[async_trait]
pub trait PartWriter: Send {
    /// The offset of the next byte.
    fn offset(&self) -> u64;

    /// Appends bytes. It may keep up to 256 KiB in memory, and waits while the disk is slower than the client. More
    /// bytes than announced are [`Kind::Invalid`](crate::error::Kind::Invalid), and none of them is written.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Resolves when another request wants to send the file. The caller then flushes what was written, and writes no more.
    async fn displaced(&self);

    /// Makes the written bytes durable. With the last byte the file becomes a blob under its name. If the bytes differ
    /// from the announced checksum, all of them are deleted, and the result is
    /// [`Kind::Corrupt`](crate::error::Kind::Corrupt).
    async fn flush(self: Box<Self>) -> Result<Progress>;
}

/// An upload store that receives the bytes through this process.
#[async_trait]
pub trait ReceivesUploads: Uploads {
    /// Takes the file to append to it. A request that had it is told to stop and waited for, for a bounded time,
    /// because the latest request has the live connection. [`Kind::Full`](crate::error::Kind::Full) if the disk's
    /// reserve is reached.
    async fn append(&self, name: &BlobName, expected: Expected) -> Result<IncomingUpload>;
}
