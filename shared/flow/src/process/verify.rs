//! Verification of a file's staged bytes against the digest that identifies its recording. Nothing is planned or cut before
//! the bytes are verified, because the digest of an upload session is only a claim of the client.

use domain::{Code, Command, Failure, JobFile};

use super::delivery::Delivery;
use super::outcome::FileError;
use crate::blob_reader::StagedBlob;
use crate::error::Kind;
use crate::first_pass::{self, Retained};

/// When the job is marked with a file's verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Together with the plan, unless the file is so large that its bytes should not be read twice for it.
    WithPlan,
    Now,
}

/// Verifies a file's bytes, and returns what was kept of them. Bytes that the server or an earlier delivery has
/// digested are not read again. `Ok(Err(_))` means that the bytes are gone or differ from the announced ones.
pub async fn verified(
    delivery: &Delivery<'_>,
    index: usize,
    file: &JobFile,
    staged: &StagedBlob<'_>,
    mark: Mark,
) -> Result<Result<Retained, Failure>, FileError> {
    if file.verified {
        return Ok(Ok(Retained::Nothing));
    }
    // The permit is acquired before the stream is opened, so that no stream is left open while nobody reads it.
    let permit = delivery.instance.decode_permits.acquire(delivery.user()).await;
    let retained = match first_pass::verify(staged, file.sha256, permit).await {
        Ok(Some(retained)) => retained,
        Ok(None) => return Ok(Err(other_bytes())),
        Err(error) if error.kind == Kind::NotFound => return Ok(Err(Failure::of(Code::StagedAudioMissing))),
        Err(error) => return Err(FileError::File(error)),
    };
    if mark == Mark::Now || matches!(retained, Retained::Nothing) {
        delivery.writer.command(&Command::FileVerified { fence: delivery.fence, index }).await?;
    }
    Ok(Ok(retained))
}

fn other_bytes() -> Failure {
    Failure::because(Code::DigestMismatch, "the staged bytes differ from those that were announced")
}
