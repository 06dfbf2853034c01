//! Finds the file of an upload address, for a process that receives the bytes itself.

use domain::{JobId, Status};
use subtle::ConstantTimeEq;

use super::expected;
use crate::error::Result;
use crate::ports::{BlobName, Expected, JobStore};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no such upload, or the secret is wrong. Both look the same to someone who guesses.
    Nothing,
    /// The session expired or was cancelled.
    Over,
    /// The session was completed, so that the file is complete.
    Whole {
        size: u64,
    },
    Open {
        name: String,
        blob: BlobName,
        expected: Expected,
    },
}

/// Finds a file of a session whose address has this secret.
pub async fn find(store: &dyn JobStore, job: JobId, index: usize, secret: &str) -> Result<Found> {
    let Some(job) = store.job(job).await? else { return Ok(Found::Nothing) };
    let Some(file) = job.files.get(index) else { return Ok(Found::Nothing) };
    let Some(url) = file.upload.as_ref().and_then(|upload| upload.url.as_ref()) else { return Ok(Found::Nothing) };
    if !bool::from(url.expose().as_bytes().ct_eq(secret.as_bytes())) {
        return Ok(Found::Nothing);
    }
    Ok(match job.status {
        Status::Uploading => {
            let (name, blob) = (file.name.clone(), BlobName::listed(file.blob.clone()));
            Found::Open { name, blob, expected: expected(file) }
        }
        Status::Cancelled => Found::Over,
        _ => Found::Whole { size: file.size },
    })
}
