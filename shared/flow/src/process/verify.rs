//! The staged bytes of a file against the digest that names its recording. Nothing of them is planned or cut before they
//! are known to be the announced ones: whoever opens an upload session only claims a digest.

use domain::{Code, Command, Failure, JobFile};

use super::delivery::Delivery;
use super::outcome::FileError;
use crate::bytes_in::Staged;
use crate::error::Kind;
use crate::first_pass::{self, Again};

/// When the job is told that a file's bytes are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// With the plan that is made of them, unless there are so many that they should not be read for it twice.
    WithPlan,
    Now,
}

/// From where the file's bytes are read. What the server digested itself, or a worker before, is not read for this.
/// `Ok(Err(_))`: the bytes are gone, or others than announced.
pub async fn verified(
    delivery: &Delivery<'_>,
    index: usize,
    file: &JobFile,
    staged: &Staged<'_>,
    mark: Mark,
) -> Result<Result<Again, Failure>, FileError> {
    if file.verified {
        return Ok(Ok(Again::Staged));
    }
    // First a place, then the bytes: a stream is not left open while nobody reads it.
    let place = delivery.instance.decode_permits.place(delivery.user()).await;
    let again = match first_pass::verify(staged, file.sha256, place).await {
        Ok(Some(again)) => again,
        Ok(None) => return Ok(Err(other_bytes())),
        Err(error) if error.kind == Kind::NotFound => return Ok(Err(Failure::of(Code::StagedAudioMissing))),
        Err(error) => return Err(FileError::File(error)),
    };
    if mark == Mark::Now || matches!(again, Again::Staged) {
        delivery.writer.command(&Command::FileVerified { fence: delivery.fence, index }).await?;
    }
    Ok(Ok(again))
}

fn other_bytes() -> Failure {
    Failure::because(Code::DigestMismatch, "the staged bytes differ from those that were announced")
}
