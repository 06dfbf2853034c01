//! Creating a job: what is known of the batch is read, the rule decides, its answer is written.

use domain::accept::{Batch, Decision, Known, decide};
use domain::{Job, Recording};
use flow::ports::{At, Created};
use rusqlite::Connection;

use super::fault::{Fault, Result};
use super::table::recordings::{Before, Stored};
use super::table::{jobs, recordings};
use super::turns;

pub fn create_job(db: &Connection, batch: &Batch, at: &At<'_>) -> Result<Created> {
    let own = jobs::load(db, batch.job_id)?;
    if own.as_ref().is_some_and(|job| job.uid != batch.uid) {
        return Err(Fault::Conflict("a job of another user has this id"));
    }
    let (recordings, before) = known_recordings(db, batch)?;
    let jobs = latest_jobs(db, &recordings)?;
    let ctx = turns::context(db, &batch.uid, at)?;
    match decide(batch, Known { own, recordings, jobs }, ctx) {
        Decision::Own { job, deduplicated } => Ok(Created::New { job, deduplicated }),
        Decision::Answer(job) => Ok(Created::Answered(job)),
        Decision::Create { job, mut recordings, deduplicated } => {
            for (recording, before) in recordings.iter_mut().zip(&before) {
                recordings::save(db, recording, before)?;
            }
            jobs::insert(db, &job)?;
            Ok(Created::New { job, deduplicated })
        }
    }
}

fn known_recordings(db: &Connection, batch: &Batch) -> Result<(Vec<Option<Recording>>, Vec<Before>)> {
    let load = |id| Ok(recordings::load(db, &batch.uid, id)?.map(Stored::split));
    let loaded: Vec<_> = batch.recording_ids().into_iter().map(load).collect::<Result<_>>()?;
    let split = |known: Option<(Recording, Before)>| match known {
        Some((recording, before)) => (Some(recording), before),
        None => (None, Before::NOTHING),
    };
    Ok(loaded.into_iter().map(split).unzip())
}

fn latest_jobs(db: &Connection, recordings: &[Option<Recording>]) -> Result<Vec<Job>> {
    let mut ids: Vec<_> = recordings.iter().flatten().map(|recording| recording.latest_job).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().filter_map(|id| jobs::load(db, id).transpose()).collect()
}
