//! The blob store for staged audio: complete files named `uploads/<uid>/<job_id>/<index>-<safe name>`, each written once,
//! read and deleted.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{JobId, Sha256Hex, Uid};
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Result;

/// The most bytes of a file name that become part of a blob's name. The index before it keeps the names distinct.
const MAX_SAFE_NAME_BYTES: usize = 100;

/// The full name of a blob. It is built from ids; of the client's file name only safe characters are used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobName(String);

impl BlobName {
    /// `uploads/<uid>/<job_id>/<index>-<safe name>`. The uid is escaped and the index is unique in the job, so that two
    /// files whose names differ only in case or normalisation never meet.
    pub fn new(uid: &Uid, job: JobId, index: usize, file: &str) -> Self {
        let safe: String = file
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
            .take(MAX_SAFE_NAME_BYTES)
            .collect();
        Self(format!("{}{index}-{safe}", Self::folder(uid, job)))
    }

    /// The folder of a job's blobs, with its trailing `/`.
    pub fn folder(uid: &Uid, job: JobId) -> String {
        format!("uploads/{}/{job}/", uid.path_part())
    }

    /// A name that a listing returned, or that was stored.
    pub fn listed(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The job that staged this blob, read from its name.
    pub fn job(&self) -> Option<JobId> {
        self.0.split('/').nth(2)?.parse().ok()
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Size and checksums of a finished blob, as the store computed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    pub size: u64,
    pub crc32c: u32,
    pub sha256: Sha256Hex,
}

/// Computes size and checksums of bytes as they pass.
#[derive(Clone, Default)]
pub struct Checksum {
    pub size: u64,
    crc32c: u32,
    sha256: Sha256,
}

impl Checksum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
        self.sha256.update(bytes);
    }

    pub fn stored(&self) -> StoredBlob {
        StoredBlob { size: self.size, crc32c: self.crc32c, sha256: Sha256Hex(self.sha256.clone().finalize().into()) }
    }
}

/// A blob that is being written. Nothing is visible under its name before `finish` has returned `Ok`. Dropping it, or
/// `abort`, leaves nothing behind, or only what the orphan rule removes.
#[async_trait]
pub trait BlobWriter: Send {
    /// Appends bytes. It may keep up to 256 KiB in memory, and waits while the store is slower than the client.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes the blob durable under its name, and never replaces another one. If a blob of that name exists with the
    /// same size and checksum, it is our own earlier success; otherwise the result is
    /// [`Kind::Conflict`](crate::error::Kind::Conflict).
    async fn finish(self: Box<Self>) -> Result<StoredBlob>;

    async fn abort(self: Box<Self>);
}

#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Starts a blob. The result is [`Kind::Full`](crate::error::Kind::Full) if the disk's reserve is reached.
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>>;

    /// The bytes from `offset` on, in pieces of at most 256 KiB. [`Kind::NotFound`](crate::error::Kind::NotFound) if
    /// there is no such blob. If reading fails later, the stream ends with an error.
    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>>;

    /// Deletes a blob. It is a success if there is no such blob.
    async fn delete(&self, name: &BlobName) -> Result<()>;

    /// At most `limit` names under `prefix` that sort after `after`, in order, each with the time since it was written.
    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>>;

    /// Whether a small write would succeed now.
    async fn ready(&self) -> Result<()>;
}
