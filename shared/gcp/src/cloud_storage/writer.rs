//! Writes one blob. What fits into one chunk goes in one request; more goes in an upload session, a chunk at a time.
//!
//! Google's crate has uploads, and they are not used: when a connection breaks, its buffered upload sends the chunk after
//! the lost one in its place, without a sum that would stop it, so that a broken blob stands under its name before the
//! client notices; and it neither shows nor cancels its sessions (`docs/adr`, "Uploads to Cloud Storage are our own").

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::UploadUrl;
use flow::ports::{BlobName, BlobWriter, Stored, Sum};
use flow::{Kind, Result};

use super::Storage;
use super::fault::Call;
use super::session::{Announced, Chunk, Come};

/// What is sent at once, and kept until it is there: a multiple of the 256 KiB that Google asks for, and half of the 2 MiB
/// that a request may take.
const CHUNK: usize = 1024 * 1024;

pub struct Writer {
    storage: Arc<Storage>,
    name: BlobName,
    sum: Sum,
    /// What is not there yet: at most a chunk.
    waiting: BytesMut,
    /// Once there is more than a chunk.
    session: Option<UploadUrl>,
    /// So many bytes of it are there for good.
    sent: u64,
    /// Something has the name. Whether it is this very blob shows at the end.
    is_taken: bool,
    /// A chunk did not get there, or nobody waited for it: the blob is lost.
    is_broken: bool,
}

impl Writer {
    pub fn new(storage: Arc<Storage>, name: BlobName) -> Self {
        let (sum, waiting) = (Sum::default(), BytesMut::new());
        Self { storage, name, sum, waiting, session: None, sent: 0, is_taken: false, is_broken: false }
    }

    /// Takes what waits. The writer is broken until the bytes are known to be there.
    fn take(&mut self, call: &Call<'_>) -> Result<Bytes> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(call.error(Kind::Unavailable).because("an earlier write did not end well"));
        }
        Ok(self.waiting.split().freeze())
    }

    async fn send_waiting(&mut self) -> Result<()> {
        let (storage, name) = (self.storage.clone(), self.name.clone());
        let call = storage.call("blobs.write", name.as_str());
        let bytes = self.take(&call)?;
        if !self.is_taken {
            match self.send(&storage, &call, Chunk { first: self.sent, bytes, end: None }).await? {
                Come::Open(sent) => self.sent = sent,
                Come::Taken => self.is_taken = true,
                Come::Gone | Come::Whole(_) => {
                    return Err(call.error(Kind::Unavailable).because("the upload session is over before its end"));
                }
            }
        }
        self.is_broken = false;
        Ok(())
    }

    async fn send(&mut self, storage: &Storage, call: &Call<'_>, chunk: Chunk) -> Result<Come> {
        if self.session.is_none() {
            self.session = storage.start_session(call, &self.name, Announced::default()).await?;
        }
        match &self.session {
            Some(url) => storage.send_chunk(call, url, &chunk).await,
            None => Ok(Come::Taken),
        }
    }

    async fn end(&mut self, storage: &Storage, call: &Call<'_>, stored: &Stored) -> Result<Come> {
        let bytes = self.take(call)?;
        if self.is_taken {
            return Ok(Come::Taken);
        }
        match &self.session {
            None => storage.insert(call, &self.name, &bytes, stored).await,
            Some(url) => {
                let end = Some((stored.size, stored.crc32c));
                storage.send_chunk(call, url, &Chunk { first: self.sent, bytes, end }).await
            }
        }
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        self.sum.add(&bytes);
        while !bytes.is_empty() {
            // Only when there is more: the last chunk goes with the end.
            if self.waiting.len() == CHUNK {
                self.send_waiting().await?;
            }
            let now = bytes.len().min(CHUNK - self.waiting.len());
            self.waiting.extend_from_slice(&bytes.split_to(now));
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<Stored> {
        let (storage, name, stored) = (self.storage.clone(), self.name.clone(), self.sum.stored());
        let call = storage.call("blobs.finish", name.as_str()).writing();
        let came = self.end(&storage, &call, &stored).await;
        match came {
            Ok(come) => {
                if !matches!(come, Come::Open(_)) {
                    // It is over: there is nothing to give back.
                    self.session = None;
                }
                settle(&storage, &call, &name, stored, come).await
            }
            Err(error) => {
                if error.kind == Kind::Unknown {
                    // It may have become the blob.
                    self.session = None;
                }
                Err(error)
            }
        }
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(url) = self.session.take() {
            self.storage.give_up_session(&url, &self.name).await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(url) = self.session.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (storage, name) = (self.storage.clone(), self.name.clone());
            drop(runtime.spawn(async move { storage.give_up_session(&url, &name).await }));
        }
    }
}

/// What stands under the name now, held against what was written.
async fn settle(storage: &Storage, call: &Call<'_>, name: &BlobName, stored: Stored, come: Come) -> Result<Stored> {
    match come {
        Come::Whole(object) if object.is(&stored) => Ok(stored),
        Come::Whole(object) => {
            // Ours, and just made: nobody can have come to need it.
            let _ = storage.remove(call, name, Some(object.generation)).await;
            Err(call.error(Kind::Corrupt).because("Cloud Storage has other bytes than were sent"))
        }
        Come::Open(_) => Err(call.nonsense("says that bytes are missing, and none are")),
        Come::Taken | Come::Gone => match storage.object(call, name).await? {
            Some(object) if object.is(&stored) => Ok(stored),
            Some(_) => Err(call.error(Kind::Conflict)),
            None => Err(call.error(Kind::Unavailable).because("the upload session was lost")),
        },
    }
}
