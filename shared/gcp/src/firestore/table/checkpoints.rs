//! `checkpoints`: the progress of the first pass over a job's files. They are deleted at the job's end;
//! those left by a crash expire with the audio.

use std::time::Duration;

use domain::checkpoint::Checkpoint;
use domain::{JobId, Timestamp};

use crate::firestore::fault::Result;
use crate::firestore::path::Path;
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, bytes, bytes_of, moment};

pub const FIELDS: &[&str] = &["bytes", "expires_at"];

pub async fn load(unit: &mut Unit<'_>, id: JobId, index: usize) -> Result<Option<Vec<u8>>> {
    let document = unit.one(&Path::checkpoint(id, index)).await?;
    Ok(document.as_ref().and_then(|document| bytes_of(document, "bytes")).map(<[u8]>::to_vec))
}

/// The job is written in the same commit, on condition that it is unchanged. So nobody without the
/// fence can write a checkpoint.
pub fn save(unit: &mut Unit<'_>, id: JobId, checkpoint: &Checkpoint, now: Timestamp, lifetime: Duration) {
    let fields =
        Fields::default().with("bytes", bytes(checkpoint.bytes.clone())).with("expires_at", moment(now + lifetime));
    unit.put(&Path::checkpoint(id, checkpoint.index), fields);
}

pub fn delete(unit: &mut Unit<'_>, id: JobId, index: usize) {
    unit.delete(&Path::checkpoint(id, index));
}
