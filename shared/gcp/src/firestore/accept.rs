//! Creates a job: reads what is known of the batch, asks the rule for a decision, and writes it.

use domain::accept::{self, Batch, Known, decide, latest_jobs};
use domain::{Job, JobId, Recording, RecordingId, Uid};
use flow::ports::{At, Created, Withdrawn};

use super::fault::Result;
use super::path::Path;
use super::table::recordings::Before;
use super::table::{jobs, recordings, sound};
use super::unit_of_work::Unit;
use super::writes::write;

/// Creates the job without reading anything that other jobs write: the recordings, which are written too, must be as they
/// were read, and the job must not exist. Other creations are in its way only if they have the same recordings.
pub async fn create_job(unit: &mut Unit<'_>, batch: &Batch, at: &At<'_>) -> Result<Created> {
    // The decision also depends on jobs that are not written, which must be as they are now.
    unit.uses_cache = false;
    let (known, before) = known(unit, &batch.uid, Some(batch.job_id), &batch.recording_ids()).await?;
    write(unit, decide(batch, known, at.with_provisional_slot()).into(), &before)
}

pub async fn withdraw_batch(unit: &mut Unit<'_>, batch: &Batch, at: &At<'_>) -> Result<Withdrawn> {
    unit.uses_cache = false;
    let (known, _) = known(unit, &batch.uid, Some(batch.job_id), &[]).await?;
    write(unit, accept::withdraw(batch, known.own, at.uncounted()), &[])
}

/// What is known of a batch, and how its recordings are stored. If another user owns the job with this
/// id, that is a conflict.
pub async fn known(
    unit: &mut Unit<'_>,
    uid: &Uid,
    own: Option<JobId>,
    ids: &[RecordingId],
) -> Result<(Known, Vec<Before>)> {
    let mut paths: Vec<_> = ids.iter().map(|id| Path::recording(uid, *id)).collect();
    paths.extend(own.map(Path::job));
    let mut documents = unit.get(&paths).await?;
    let own = if own.is_some() { documents.pop().flatten() } else { None };
    let own = accept::own(sound(own.as_ref().map(jobs::decode).transpose())?.flatten(), uid)?;
    if own.is_some() {
        return Ok((Known { own, ..Known::default() }, Vec::new()));
    }
    let (recordings, before): (Vec<_>, _) = recordings::finish(unit, uid, &documents).await?.into_iter().unzip();
    let jobs = load_latest_jobs(unit, &recordings).await?;
    Ok((Known { own: None, recordings, jobs }, before))
}

/// The latest jobs of the recordings. A damaged job counts as missing.
async fn load_latest_jobs(unit: &mut Unit<'_>, recordings: &[Option<Recording>]) -> Result<Vec<Job>> {
    let paths: Vec<_> = latest_jobs(recordings).into_iter().map(Path::job).collect();
    unit.get(&paths).await?.iter().flatten().filter_map(|job| sound(jobs::decode(job)).transpose()).collect()
}
