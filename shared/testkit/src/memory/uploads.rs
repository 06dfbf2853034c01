//! Upload sessions in memory: bytes count as soon as they have arrived.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Timestamp, UploadUrl};
use flow::ports::{BlobName, Expected, IncomingUpload, PartWriter, Progress, Random, ReceivesUploads};
use flow::{Error, Kind, Result};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::Blobs;

pub struct Uploads {
    yard: Arc<Yard>,
    random: Arc<dyn Random>,
}

struct Yard {
    blobs: Arc<Blobs>,
    parts: Mutex<BTreeMap<BlobName, Part>>,
}

#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    touched: Timestamp,
    turn: Arc<tokio::sync::Mutex<()>>,
    last: CancellationToken,
}

impl Uploads {
    pub fn new(blobs: Arc<Blobs>, random: Arc<dyn Random>) -> Self {
        Self { yard: Arc::new(Yard { blobs, parts: Mutex::default() }), random }
    }

    /// Stops whoever is sending, and waits until they have stopped.
    async fn take(&self, name: &BlobName) -> (OwnedMutexGuard<()>, CancellationToken) {
        let (turn, displaced) = {
            let mut parts = self.yard.parts();
            let part = parts.entry(name.clone()).or_default();
            std::mem::take(&mut part.last).cancel();
            (part.turn.clone(), part.last.clone())
        };
        (turn.lock_owned().await, displaced)
    }
}

impl Yard {
    fn parts(&self) -> MutexGuard<'_, BTreeMap<BlobName, Part>> {
        self.parts.lock().unwrap()
    }

    fn offset(&self, name: &BlobName) -> u64 {
        self.parts().get(name).map_or(0, |part| part.bytes.len() as u64)
    }

    fn whole(&self, name: &BlobName) -> Option<(u64, u32)> {
        self.blobs.bytes(name).map(|bytes| (bytes.len() as u64, crc32c::crc32c(&bytes)))
    }
}

#[async_trait]
impl flow::ports::Uploads for Uploads {
    async fn start(&self, _: &BlobName, _: Expected) -> Result<UploadUrl> {
        Ok(UploadUrl::new(format!("{}{}", self.random.uuid().simple(), self.random.uuid().simple())))
    }

    async fn progress(&self, name: &BlobName, _: &UploadUrl, _: Expected) -> Result<Progress> {
        Ok(match self.yard.whole(name) {
            Some((size, crc32c)) => Progress::Whole { size, crc32c },
            None => Progress::Open { offset: self.yard.offset(name) },
        })
    }

    async fn abandon(&self, name: &BlobName, _: Option<&UploadUrl>) -> Result<()> {
        let _turn = self.take(name).await;
        self.yard.parts().remove(name);
        Ok(())
    }

    async fn list(&self, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        let now = self.yard.blobs.clock().now();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let parts = self.yard.parts();
        let arrived = parts.range((from, Bound::Unbounded)).filter(|(_, part)| !part.bytes.is_empty());
        Ok(arrived.take(limit).map(|(name, part)| (name.clone(), part.touched.until(now))).collect())
    }

    async fn room(&self) -> Result<()> {
        self.yard.blobs.room("uploads.room", "")
    }
}

#[async_trait]
impl ReceivesUploads for Uploads {
    async fn append(&self, name: &BlobName, expected: Expected) -> Result<IncomingUpload> {
        let (turn, displaced) = self.take(name).await;
        if let Some((size, crc32c)) = self.yard.whole(name) {
            return Ok(IncomingUpload::Whole { size, crc32c });
        }
        self.yard.blobs.room("uploads.append", name.as_str())?;
        let (yard, name) = (self.yard.clone(), name.clone());
        Ok(IncomingUpload::Open(Box::new(Writer { yard, name, expected, displaced, _turn: turn })))
    }
}

struct Writer {
    yard: Arc<Yard>,
    name: BlobName,
    expected: Expected,
    displaced: CancellationToken,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl PartWriter for Writer {
    fn offset(&self) -> u64 {
        self.yard.offset(&self.name)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.offset() + bytes.len() as u64 > self.expected.size {
            return Err(Error::new(Kind::Invalid, "uploads.write", &self.name));
        }
        let now = self.yard.blobs.clock().now();
        if let Some(part) = self.yard.parts().get_mut(&self.name) {
            part.bytes.extend_from_slice(&bytes);
            part.touched = now;
        }
        Ok(())
    }

    async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    async fn flush(self: Box<Self>) -> Result<Progress> {
        let offset = self.offset();
        if offset < self.expected.size {
            return Ok(Progress::Open { offset });
        }
        let mut parts = self.yard.parts();
        let bytes = parts.get_mut(&self.name).map(|part| std::mem::take(&mut part.bytes)).unwrap_or_default();
        let crc32c = crc32c::crc32c(&bytes);
        if self.expected.crc32c.is_some_and(|announced| announced != crc32c) {
            return Err(Error::new(Kind::Corrupt, "uploads.finish", &self.name));
        }
        if !self.yard.blobs.place(&self.name, bytes.into()) {
            return Err(Error::new(Kind::Conflict, "uploads.finish", &self.name));
        }
        Ok(Progress::Whole { size: offset, crc32c })
    }
}
