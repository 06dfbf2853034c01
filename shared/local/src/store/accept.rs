//! Creates a job: reads what is known of the batch, asks the rule for a decision, and writes it.

use domain::accept::{Batch, Known, decide, latest_jobs, own, withdraw};
use domain::{Job, RecordingId, Uid};
use flow::ports::{At, Created, Withdrawn};
use rusqlite::Connection;

use super::fault::Result;
use super::table::recordings::Before;
use super::table::{jobs, recordings};
use super::user_slots;
use super::writes::write;

pub fn create_job(db: &Connection, batch: &Batch, at: &At<'_>) -> Result<Created> {
    let own = own(jobs::load(db, batch.job_id)?, &batch.uid)?;
    let (known, before) = known(db, &batch.uid, own, &batch.recording_ids())?;
    let ctx = user_slots::context(db, &batch.uid, at)?;
    write(db, decide(batch, known, ctx).into(), &before)
}

pub fn withdraw_batch(db: &Connection, batch: &Batch, at: &At<'_>) -> Result<Withdrawn> {
    let own = own(jobs::load(db, batch.job_id)?, &batch.uid)?;
    write(db, withdraw(batch, own, at.uncounted()), &[])
}

/// What is known of a batch, and how its recordings are stored.
pub fn known(db: &Connection, uid: &Uid, own: Option<Job>, ids: &[RecordingId]) -> Result<(Known, Vec<Before>)> {
    let loaded: Vec<_> = ids.iter().map(|id| recordings::load(db, uid, *id)).collect::<Result<_>>()?;
    let (recordings, before): (Vec<_>, _) = loaded.into_iter().unzip();
    let latest = latest_jobs(&recordings).into_iter();
    let jobs = latest.filter_map(|id| jobs::load(db, id).transpose()).collect::<Result<_>>()?;
    Ok((Known { own, recordings, jobs }, before))
}
