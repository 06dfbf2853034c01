//! Packs the failed segments of a job: a few bytes for each, so that those of a day of audio fit into a
//! document.

use domain::Job;
use domain::job_file::FailedSegment;

use crate::firestore::table::packed::{put, take};

/// Takes the failed segments out of the job's files and packs them; `None` if there are none.
pub fn take_out(job: &mut Job) -> Option<Vec<u8>> {
    if job.files.iter().all(|file| file.failed.is_empty()) {
        return None;
    }
    let mut out = Vec::new();
    for file in &mut job.files {
        put(&mut out, file.failed.len() as u64);
        for failed in std::mem::take(&mut file.failed) {
            put(&mut out, u64::from(failed.start_ms) << 1 | u64::from(failed.refused));
        }
    }
    Some(out)
}

/// Puts the failed segments back; `None` if the bytes do not belong to this job.
pub fn put_back(job: &mut Job, packed: &[u8]) -> Option<()> {
    let mut bytes = packed.iter();
    for file in &mut job.files {
        for _ in 0..take(&mut bytes)? {
            let value = take(&mut bytes)?;
            let start_ms = u32::try_from(value >> 1).ok()?;
            file.failed.push(FailedSegment { start_ms, refused: value & 1 == 1 });
        }
    }
    bytes.next().is_none().then_some(())
}
