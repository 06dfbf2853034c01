//! Creates a job: reads what is known of the batch, asks the rule for a decision, and writes it.

use domain::accept::{Batch, Decision, Known, decide};
use domain::{Job, JobId, Recording, RecordingId, Uid};
use flow::ports::{At, Created};
use rusqlite::Connection;

use super::fault::{Fault, Result};
use super::table::recordings::Before;
use super::table::{jobs, recordings};
use super::user_slots;

pub fn create_job(db: &Connection, batch: &Batch, at: &At<'_>) -> Result<Created> {
    let own = own_job(db, batch.job_id, &batch.uid)?;
    let (known, before) = known(db, &batch.uid, own, &batch.recording_ids())?;
    let ctx = user_slots::context(db, &batch.uid, at)?;
    match decide(batch, known, ctx) {
        Decision::Own { job, deduplicated } => Ok(Created::New { job, deduplicated }),
        Decision::Answer(job) => Ok(Created::Answered(job)),
        Decision::Create { job, recordings, deduplicated } => {
            save_recordings(db, recordings, &before)?;
            jobs::insert(db, &job)?;
            Ok(Created::New { job, deduplicated })
        }
    }
}

/// The job with this id. If another user owns it, that is a conflict.
pub fn own_job(db: &Connection, id: JobId, uid: &Uid) -> Result<Option<Job>> {
    let own = jobs::load(db, id)?;
    if own.as_ref().is_some_and(|job| job.uid != *uid) {
        return Err(Fault::Conflict("a job of another user has this id"));
    }
    Ok(own)
}

/// What is known of a batch, and how its recordings are stored.
pub fn known(db: &Connection, uid: &Uid, own: Option<Job>, ids: &[RecordingId]) -> Result<(Known, Vec<Before>)> {
    let loaded: Vec<_> = ids.iter().map(|id| recordings::load(db, uid, *id)).collect::<Result<_>>()?;
    let (recordings, before): (Vec<_>, _) = loaded.into_iter().unzip();
    let jobs = latest_jobs(db, &recordings)?;
    Ok((Known { own, recordings, jobs }, before))
}

pub fn save_recordings(db: &Connection, mut recordings: Vec<Recording>, before: &[Before]) -> Result<()> {
    recordings.iter_mut().zip(before).try_for_each(|(recording, before)| recordings::save(db, recording, before))
}

fn latest_jobs(db: &Connection, recordings: &[Option<Recording>]) -> Result<Vec<Job>> {
    let mut ids: Vec<_> = recordings.iter().flatten().map(|recording| recording.latest_job).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().filter_map(|id| jobs::load(db, id).transpose()).collect()
}
