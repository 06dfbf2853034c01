//! Upload sessions: reads what is known, asks the rule for a decision, and writes it.

use domain::session::{
    self, Completing, SessionKnown, SessionRequest, WholeFile, recordings_to_read, sessions_to_read,
};
use domain::{JobId, Status};
use flow::ports::{At, Opened, SessionCompleted};

use super::accept::known;
use super::fault::Result;
use super::table::jobs;
use super::unit_of_work::Unit;
use super::user_slots;
use super::writes::write;

pub async fn open(unit: &mut Unit<'_>, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
    let (batch, before) = known(unit, &request.uid, Some(request.job_id), &request.recording_ids()).await?;
    let open = jobs::open_sessions(unit, &request.uid, sessions_to_read(at.rules)).await?;
    write(unit, session::open(request, SessionKnown { batch, open }, at.uncounted()).into(), &before)
}

pub async fn complete(unit: &mut Unit<'_>, id: JobId, whole: &[WholeFile], at: &At<'_>) -> Result<SessionCompleted> {
    let Some(session) = jobs::load(unit, id).await? else { return Ok(SessionCompleted::NoSuchJob) };
    let (known, before) = known(unit, &session.uid, None, &recordings_to_read(&session)).await?;
    let answering = match session.answered_by {
        Some(id) => jobs::load(unit, id).await?,
        None => None,
    };
    let ctx = match session.status {
        Status::Uploading => user_slots::context(unit, &session.uid, at).await?,
        _ => at.uncounted(),
    };
    let completion = session::complete(Completing { session: session.clone(), known, whole }, ctx);
    write(unit, completion.decided(session, answering), &before)
}
