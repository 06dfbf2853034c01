//! Upload sessions: reads what is known, asks the rule for a decision, and writes it.

use domain::JobId;
use domain::session::{
    self, Completing, SessionKnown, SessionRequest, WholeFile, recordings_to_read, sessions_to_read,
};
use flow::ports::{At, Opened, SessionCompleted};

use super::accept::known;
use super::fault::Result;
use super::table::jobs;
use super::unit_of_work::Unit;
use super::writes::write;

pub async fn open(unit: &mut Unit<'_>, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
    let (batch, before) = known(unit, &request.uid, Some(request.job_id), &request.recording_ids()).await?;
    let open = jobs::open_sessions(unit, &request.uid, sessions_to_read(at.rules)).await?;
    write(unit, session::open(request, SessionKnown { batch, open }, at.uncounted()).into(), &before)
}

pub async fn complete(unit: &mut Unit<'_>, id: JobId, whole: &[WholeFile], at: &At<'_>) -> Result<SessionCompleted> {
    // As at the creation of a job, the decision also depends on jobs that are not written.
    unit.uses_cache = false;
    let Some(session) = jobs::load(unit, id).await? else { return Ok(SessionCompleted::NoSuchJob) };
    let (known, before) = known(unit, &session.uid, None, &recordings_to_read(&session)).await?;
    let answering = match session.answered_by {
        Some(id) => jobs::load(unit, id).await?,
        None => None,
    };
    let completing = Completing { session: session.clone(), known, whole };
    let completion = session::complete(completing, at.with_provisional_slot());
    write(unit, completion.decided(session, answering), &before)
}
