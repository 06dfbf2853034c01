//! Upload sessions: reads what is known, asks the rule for a decision, and writes it.

use domain::accept::own;
use domain::session::{
    self, Completing, SessionKnown, SessionRequest, WholeFile, recordings_to_read, sessions_to_read,
};
use domain::{JobId, Status};
use flow::ports::{At, JobQuery, Opened, Page, SessionCompleted};
use rusqlite::Connection;

use super::accept::known;
use super::fault::Result;
use super::table::jobs;
use super::user_slots;
use super::writes::write;

pub fn open(db: &Connection, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
    let own = own(jobs::load(db, request.job_id)?, &request.uid)?;
    let (batch, before) = known(db, &request.uid, own, &request.recording_ids())?;
    let newest = JobQuery::all(&request.uid, Page::first(sessions_to_read(at.rules)), at.now);
    // A session that cannot be read cannot be continued.
    let open = jobs::load_listed(db, &jobs::list(db, &newest, Status::Uploading)?)?;
    write(db, session::open(request, SessionKnown { batch, open }, at.uncounted()).into(), &before)
}

pub fn complete(db: &Connection, id: JobId, whole: &[WholeFile], at: &At<'_>) -> Result<SessionCompleted> {
    let Some(session) = jobs::load(db, id)? else { return Ok(SessionCompleted::NoSuchJob) };
    let (known, before) = known(db, &session.uid, None, &recordings_to_read(&session))?;
    let answering = session.answered_by.map(|id| jobs::load(db, id)).transpose()?.flatten();
    let ctx = user_slots::context(db, &session.uid, at)?;
    let completion = session::complete(Completing { session: session.clone(), known, whole }, ctx);
    write(db, completion.decided(session, answering), &before)
}
