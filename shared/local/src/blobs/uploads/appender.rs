//! Takes the bytes of one request. Small pieces are buffered in memory until a write to the disk is
//! worth a blocking call.

use async_trait::async_trait;
use bytes::Bytes;
use flow::ports::{BlobName, PartWriter, Progress};
use flow::{Error, Kind, Result};
use tokio_util::sync::CancellationToken;

use super::part::Part;
use crate::blobs::disk::blocking;
use crate::blobs::piece::PIECE;

pub struct Appender {
    name: BlobName,
    size: u64,
    /// Includes the buffered bytes.
    offset: u64,
    buffer: Vec<u8>,
    /// `None` while a blocking thread has it, and after a write that failed or whose caller was cancelled.
    /// A part saves its progress when it is dropped, wherever that happens.
    part: Option<Box<Part>>,
    displaced: CancellationToken,
}

impl Appender {
    pub fn new(name: BlobName, size: u64, part: Box<Part>, displaced: CancellationToken) -> Self {
        Self { name, size, offset: part.offset(), buffer: Vec::new(), part: Some(part), displaced }
    }

    fn take(&mut self, operation: &'static str) -> Result<Box<Part>> {
        let lost =
            || Error::new(Kind::Unavailable, operation, &self.name).because("an earlier write failed or was cancelled");
        self.part.take().ok_or_else(lost)
    }
}

#[async_trait]
impl PartWriter for Appender {
    fn offset(&self) -> u64 {
        self.offset
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.len() as u64 > self.size - self.offset {
            return Err(Error::new(Kind::Invalid, "uploads.write", &self.name).because("more bytes than announced"));
        }
        self.offset += bytes.len() as u64;
        if self.buffer.len() + bytes.len() < PIECE {
            self.buffer.extend_from_slice(&bytes);
            return Ok(());
        }
        let (mut part, mut buffer) = (self.take("uploads.write")?, std::mem::take(&mut self.buffer));
        let (part, buffer) = blocking("uploads.write", move || {
            part.write(&buffer).and_then(|()| part.write(&bytes))?;
            buffer.clear();
            Ok((part, buffer))
        })
        .await?;
        (self.part, self.buffer) = (Some(part), buffer);
        Ok(())
    }

    async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    async fn flush(mut self: Box<Self>) -> Result<Progress> {
        let (mut part, buffer) = (self.take("uploads.flush")?, std::mem::take(&mut self.buffer));
        blocking("uploads.flush", move || {
            part.write(&buffer)?;
            part.flush()
        })
        .await
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        let Some(mut part) = self.part.take() else { return };
        let buffer = std::mem::take(&mut self.buffer);
        // If this fails, the client sends the bytes again. Without a runtime the program is ending, and this
        // thread may block.
        let mut save_progress = move || drop(part.write(&buffer));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(save_progress)),
            Err(_) => save_progress(),
        }
    }
}
