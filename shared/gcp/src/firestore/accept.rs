//! Creates a job: reads what is known of the batch, asks the rule for a decision, and writes it.

use domain::accept::{self, Batch, Known, decide, latest_jobs};
use domain::{Job, JobId, Recording, RecordingId, Uid};
use flow::ports::{At, Created};

use super::fault::Result;
use super::path::Path;
use super::table::recordings::Before;
use super::table::{jobs, recordings, sound};
use super::unit_of_work::Unit;
use super::user_slots;
use super::writes::write;

pub async fn create_job(unit: &mut Unit<'_>, batch: &Batch, at: &At<'_>) -> Result<Created> {
    let (known, before) = known(unit, &batch.uid, Some(batch.job_id), &batch.recording_ids()).await?;
    // The first decision is made without counting slots, because they matter only for a queued job.
    let mut decision = decide(batch, known.clone(), at.uncounted());
    if decision.needs_slot() {
        decision = decide(batch, known, user_slots::context(unit, &batch.uid, at).await?);
    }
    write(unit, decision.into(), &before)
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
