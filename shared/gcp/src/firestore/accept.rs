//! Creates a job: reads what is known of the batch, asks the rule for a decision, and writes it.

use domain::accept::{Batch, Decision, Known, decide};
use domain::{Job, JobId, Recording, RecordingExtras, RecordingId, Status, Uid};
use flow::ports::{At, Created};

use super::fault::{Fault, Result};
use super::path::Path;
use super::table::recordings::Before;
use super::table::{jobs, recordings, sound};
use super::unit::Unit;
use super::user_slots;

pub async fn create_job(unit: &mut Unit<'_>, batch: &Batch, at: &At<'_>) -> Result<Created> {
    let (known, before) = known(unit, &batch.uid, Some(batch.job_id), &batch.recording_ids()).await?;
    // Slots only matter for a queued job, so the first decision is made without counting them.
    let mut decision = decide(batch, known.clone(), user_slots::uncounted(at));
    if matches!(&decision, Decision::Create { job, .. } if job.status == Status::Queued) {
        decision = decide(batch, known, user_slots::context(unit, &batch.uid, at).await?);
    }
    match decision {
        Decision::Own { job, deduplicated } => Ok(Created::New { job, deduplicated }),
        Decision::Answer(job) => Ok(Created::Answered(job)),
        Decision::Create { job, recordings, deduplicated } => {
            save_recordings(unit, recordings, &before)?;
            jobs::create(unit, &job)?;
            Ok(Created::New { job, deduplicated })
        }
    }
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
    let own = sound(own.as_ref().map(jobs::decode).transpose())?.flatten();
    if own.as_ref().is_some_and(|job| job.uid != *uid) {
        return Err(Fault::Conflict("a job of another user has this id"));
    }
    if own.is_some() {
        return Ok((Known { own, ..Known::default() }, Vec::new()));
    }
    let (recordings, before): (Vec<_>, _) = recordings::finish(unit, uid, &documents).await?.into_iter().unzip();
    let jobs = latest_jobs(unit, &recordings).await?;
    Ok((Known { own: None, recordings, jobs }, before))
}

pub fn save_recordings(unit: &mut Unit<'_>, recordings: Vec<Recording>, before: &[Before]) -> Result<()> {
    for (recording, before) in recordings.into_iter().zip(before) {
        recordings::save(unit, recording, &RecordingExtras::default(), before)?;
    }
    Ok(())
}

async fn latest_jobs(unit: &mut Unit<'_>, recordings: &[Option<Recording>]) -> Result<Vec<Job>> {
    let mut ids: Vec<_> = recordings.iter().flatten().map(|recording| recording.latest_job).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let paths: Vec<_> = ids.into_iter().map(Path::job).collect();
    // A damaged job counts as missing.
    unit.get(&paths).await?.iter().flatten().filter_map(|job| sound(jobs::decode(job)).transpose()).collect()
}
