//! Implements the port `Uploads`: sessions whose bytes go straight from the device to Google.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::UploadUrl;
use flow::ports::{BlobName, Expected, Progress, Uploads};
use flow::{Kind, Result};

use super::Storage;
use super::fault::Call;
use super::session::{Announced, UploadState};

pub struct GcsUploads {
    storage: Arc<Storage>,
}

impl GcsUploads {
    pub fn new(storage: Arc<Storage>) -> Self {
        Self { storage }
    }

    /// The object with this name, for a session that takes no more bytes. Google forgets sessions, but
    /// objects stay.
    async fn by_name(&self, call: &Call<'_>, name: &BlobName, expected: Expected) -> Result<Progress> {
        let Some(object) = self.storage.object(call, name).await? else { return Ok(Progress::Gone) };
        let (size, Some(crc32c)) = (object.size, object.crc32c) else { return Ok(Progress::Gone) };
        if size == expected.size && expected.crc32c.is_none_or(|sum| sum == crc32c) {
            return Ok(Progress::Whole { size, crc32c });
        }
        self.remove_other(name, object.generation).await?;
        Ok(Progress::Gone)
    }

    /// Removes an object that has the name of a file and is not the file. It cannot become one, and while it exists Google
    /// refuses the file at its last byte, so that a client would send it again and again. The name has the id of the job,
    /// which never accepts anything else under it.
    async fn remove_other(&self, name: &BlobName, generation: i64) -> Result<()> {
        let call = self.storage.call("uploads.remove_other", name.as_str()).writing();
        self.storage.remove(&call, name, Some(generation)).await?;
        tracing::warn!(blob = %name, generation, "an object with other bytes had the name of a file; it was removed");
        Ok(())
    }
}

#[async_trait]
impl Uploads for GcsUploads {
    /// Google itself checks size and checksum before the object exists.
    async fn start(&self, name: &BlobName, expected: Expected) -> Result<UploadUrl> {
        let call = self.storage.call("uploads.start", name.as_str());
        let announced = Announced { size: Some(expected.size), crc32c: expected.crc32c };
        let started = self.storage.start_session(&call, name, announced).await?;
        started.ok_or_else(|| call.error(Kind::Conflict))
    }

    async fn progress(&self, name: &BlobName, url: &UploadUrl, expected: Expected) -> Result<Progress> {
        let call = self.storage.call("uploads.progress", name.as_str());
        let ask = || self.storage.ask_session(&call, url, Some(expected.size));
        match self.storage.tries().run(&call, ask).await {
            Ok(UploadState::Open(offset)) if offset <= expected.size => Ok(Progress::Open { offset }),
            // It has bytes that were never announced, so that it cannot become the file any more.
            Ok(UploadState::Open(_)) => Ok(Progress::Gone),
            // A session that is over proves nothing: Google's own testbench calls a session complete although it
            // has refused its bytes.
            Ok(UploadState::Whole(_) | UploadState::Gone | UploadState::Taken) => {
                self.by_name(&call, name, expected).await
            }
            Err(error) => Err(error),
        }
    }

    async fn abandon(&self, name: &BlobName, url: Option<&UploadUrl>) -> Result<()> {
        let Some(url) = url else {
            // Nobody has the address. The session expires by itself, a week after its start.
            return Ok(());
        };
        let call = self.storage.call("uploads.abandon", name.as_str()).writing();
        self.storage.cancel_session(&call, url).await
    }

    /// Unfinished sessions expire by themselves, and cost nothing until then.
    async fn list(&self, _: Option<&BlobName>, _: usize) -> Result<Vec<(BlobName, Duration)>> {
        Ok(Vec::new())
    }

    async fn room(&self) -> Result<()> {
        Ok(())
    }
}
