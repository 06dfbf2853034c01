//! Staged audio in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Sha256Hex, Timestamp};
use flow::ports::{BlobName, BlobWriter, Clock, StoredBlob};
use flow::{Error, Kind, Result};
use futures_util::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};

/// The largest piece that a read returns.
const MAX_PIECE: usize = 256 * 1024;

type StoredBlobs = Arc<Mutex<BTreeMap<BlobName, (Bytes, Timestamp)>>>;

pub struct Blobs {
    clock: Arc<dyn Clock>,
    blobs: StoredBlobs,
    full: AtomicBool,
}

impl Blobs {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, blobs: StoredBlobs::default(), full: AtomicBool::new(false) }
    }

    /// While this is set there is no room for new blobs.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    pub fn names(&self) -> Vec<BlobName> {
        self.blobs().keys().cloned().collect()
    }

    pub fn bytes(&self, name: &BlobName) -> Option<Bytes> {
        self.blobs().get(name).map(|(bytes, _)| bytes.clone())
    }

    /// Replaces what is stored, as a broken disk would.
    pub fn damage(&self, name: &BlobName, bytes: impl Into<Bytes>) {
        if let Some((stored, _)) = self.blobs().get_mut(name) {
            *stored = bytes.into();
        }
    }

    /// Puts a whole blob under a free name; returns whether the name now holds these bytes.
    pub(super) fn place(&self, name: &BlobName, bytes: Bytes) -> bool {
        let now = self.clock.now();
        self.blobs().entry(name.clone()).or_insert_with(|| (bytes.clone(), now)).0 == bytes
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<BlobName, (Bytes, Timestamp)>> {
        self.blobs.lock().unwrap()
    }

    pub(super) fn room(&self, operation: &'static str, subject: &str) -> Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(Error::new(Kind::Full, operation, subject)) } else { Ok(()) }
    }
}

#[async_trait]
impl flow::ports::Blobs for Blobs {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        self.room("blobs.create", name.as_str())?;
        let (clock, blobs) = (self.clock.clone(), self.blobs.clone());
        Ok(Box::new(Writer { clock, blobs, name: name.clone(), bytes: Vec::new() }))
    }

    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        let mut rest = self.bytes(name).ok_or_else(|| Error::new(Kind::NotFound, "blobs.read", name))?;
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX).min(rest.len());
        rest = rest.slice(skipped..);
        let next = move || (!rest.is_empty()).then(|| Ok(rest.split_to(rest.len().min(MAX_PIECE))));
        Ok(stream::iter(std::iter::from_fn(next)).boxed())
    }

    async fn delete(&self, name: &BlobName) -> Result<()> {
        self.blobs().remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let now = self.clock.now();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let blobs = self.blobs();
        let named = blobs.range((from, Bound::Unbounded)).filter(|(name, _)| name.as_str().starts_with(prefix));
        Ok(named.take(limit).map(|(name, (_, written))| (name.clone(), written.until(now))).collect())
    }

    async fn ready(&self) -> Result<()> {
        self.room("blobs.ready", "")
    }
}

struct Writer {
    clock: Arc<dyn Clock>,
    blobs: StoredBlobs,
    name: BlobName,
    bytes: Vec<u8>,
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<StoredBlob> {
        let Self { clock, blobs, name, bytes } = *self;
        let mut blobs = blobs.lock().unwrap();
        let stored = blobs.entry(name.clone()).or_insert_with(|| (bytes.clone().into(), clock.now()));
        if stored.0 != bytes {
            return Err(Error::new(Kind::Conflict, "blobs.finish", name));
        }
        Ok(describe(&bytes))
    }

    async fn abort(self: Box<Self>) {}
}

/// The description that a store gives of these bytes.
pub fn describe(bytes: &[u8]) -> StoredBlob {
    StoredBlob {
        size: bytes.len() as u64,
        crc32c: crc32c::crc32c(bytes),
        sha256: Sha256Hex(Sha256::digest(bytes).into()),
    }
}
