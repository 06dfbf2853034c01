//! Resumable uploads: a session is opened, its bytes arrive in as many requests as needed, and it is completed.
//!
//! A session owns no recordings before it is completed. How far a file has come is recorded only by the stored bytes
//! themselves, so that any process can read it, even after a crash.

mod complete;
mod open;
mod receive;

pub use complete::{Completed, complete};
pub use open::{Offer, OpenSession, Opening, open};
pub use receive::{Found, find};

use domain::{Job, JobFile};

use crate::error::Result;
use crate::ports::{BlobName, Expected, Progress};
use crate::services::Services;

/// The announced size and checksum of a file.
pub fn expected(file: &JobFile) -> Expected {
    Expected { size: file.size, crc32c: file.upload.as_ref().and_then(|upload| upload.crc32c) }
}

/// The upload progress of each file; `None` for files that need no bytes.
pub async fn progress(services: &Services, job: &Job) -> Result<Vec<Option<Progress>>> {
    let mut all = Vec::with_capacity(job.files.len());
    for file in &job.files {
        all.push(progress_of(services, file).await?);
    }
    Ok(all)
}

async fn progress_of(services: &Services, file: &JobFile) -> Result<Option<Progress>> {
    if !file.needs_bytes() {
        return Ok(None);
    }
    // Without an address no bytes can have arrived.
    let Some(url) = file.upload.as_ref().and_then(|upload| upload.url.as_ref()) else {
        return Ok(Some(Progress::Open { offset: 0 }));
    };
    let blob = BlobName::listed(file.blob.clone());
    services.uploads.progress(&blob, url, expected(file)).await.map(Some)
}
