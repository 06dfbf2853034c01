//! Writes one blob. A blob of at most one chunk is one request; a larger one goes through an upload
//! session, chunk by chunk.
//!
//! The uploads of Google's crate are not used. When a connection breaks, its buffered upload sends the
//! next chunk in place of the lost one, without a checksum that would prevent it, so that a broken blob
//! has the name before the client notices. It also neither exposes nor cancels its sessions
//! (`docs/adr`, "Uploads to Cloud Storage are our own").

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use domain::UploadUrl;
use flow::ports::{BlobName, BlobWriter, Checksum, StoredBlob};
use flow::{Kind, Result};

use super::Storage;
use super::fault::Call;
use super::session::{Announced, Chunk, UploadState};

/// The size of a chunk, which is kept in memory until it is stored: a multiple of the 256 KiB that
/// Google demands, and half of the 2 MiB that a request may take.
const CHUNK: usize = 1024 * 1024;

pub struct Writer {
    storage: Arc<Storage>,
    name: BlobName,
    sum: Checksum,
    /// The bytes that are not sent yet: at most one chunk.
    waiting: BytesMut,
    /// Set once there is more than one chunk.
    session: Option<UploadUrl>,
    /// The number of bytes that are stored permanently.
    sent: u64,
    /// The name is taken. Whether by this very blob is checked at the end.
    is_taken: bool,
    /// A chunk was not stored, or its caller was cancelled: the blob is lost.
    is_broken: bool,
}

impl Writer {
    pub fn new(storage: Arc<Storage>, name: BlobName) -> Self {
        let (sum, waiting) = (Checksum::default(), BytesMut::new());
        Self { storage, name, sum, waiting, session: None, sent: 0, is_taken: false, is_broken: false }
    }

    /// Takes the waiting bytes. The writer counts as broken until they are known to be stored.
    fn take(&mut self, call: &Call<'_>) -> Result<Bytes> {
        if std::mem::replace(&mut self.is_broken, true) {
            return Err(call.error(Kind::Unavailable).because("an earlier write failed or was cancelled"));
        }
        Ok(self.waiting.split().freeze())
    }

    async fn send_waiting(&mut self) -> Result<()> {
        let (storage, name) = (self.storage.clone(), self.name.clone());
        let call = storage.call("blobs.write", name.as_str());
        let bytes = self.take(&call)?;
        if !self.is_taken {
            match self.send(&storage, &call, Chunk { first: self.sent, bytes, end: None }).await? {
                UploadState::Open(sent) => self.sent = sent,
                UploadState::Taken => self.is_taken = true,
                UploadState::Gone | UploadState::Whole(_) => {
                    return Err(call.error(Kind::Unavailable).because("the upload session is over before its end"));
                }
            }
        }
        self.is_broken = false;
        Ok(())
    }

    async fn send(&mut self, storage: &Storage, call: &Call<'_>, chunk: Chunk) -> Result<UploadState> {
        if self.session.is_none() {
            self.session = storage.start_session(call, &self.name, Announced::default()).await?;
        }
        match &self.session {
            Some(url) => storage.send_chunk(call, url, &chunk).await,
            None => Ok(UploadState::Taken),
        }
    }

    async fn end(&mut self, storage: &Storage, call: &Call<'_>, stored: &StoredBlob) -> Result<UploadState> {
        let bytes = self.take(call)?;
        if self.is_taken {
            return Ok(UploadState::Taken);
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
            // Sent only when more bytes follow: the last chunk is sent by `finish`.
            if self.waiting.len() == CHUNK {
                self.send_waiting().await?;
            }
            let now = bytes.len().min(CHUNK - self.waiting.len());
            self.waiting.extend_from_slice(&bytes.split_to(now));
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<StoredBlob> {
        let (storage, name, stored) = (self.storage.clone(), self.name.clone(), self.sum.stored());
        let call = storage.call("blobs.finish", name.as_str()).writing();
        let came = self.end(&storage, &call, &stored).await;
        match came {
            Ok(state) => {
                if !matches!(state, UploadState::Open(_)) {
                    // The session is over, so it is not cancelled.
                    self.session = None;
                }
                verify_object(&storage, &call, &name, stored, state).await
            }
            Err(error) => {
                if error.kind == Kind::Unknown {
                    // The session may have become the blob, so it is not cancelled.
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

/// Compares the object that has the name now with what was written.
async fn verify_object(
    storage: &Storage,
    call: &Call<'_>,
    name: &BlobName,
    stored: StoredBlob,
    state: UploadState,
) -> Result<StoredBlob> {
    match state {
        UploadState::Whole(object) if object.is(&stored) => Ok(stored),
        UploadState::Whole(object) => {
            // This object is ours and new, so nobody needs it yet.
            let _ = storage.remove(call, name, Some(object.generation)).await;
            Err(call.error(Kind::Corrupt).because("Cloud Storage has other bytes than were sent"))
        }
        UploadState::Open(_) => Err(call.nonsense("reports missing bytes although all were sent")),
        UploadState::Taken | UploadState::Gone => match storage.object(call, name).await? {
            Some(object) if object.is(&stored) => Ok(stored),
            Some(_) => Err(call.error(Kind::Conflict)),
            None => Err(call.error(Kind::Unavailable).because("the upload session was lost")),
        },
    }
}
