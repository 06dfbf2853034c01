//! Upload sessions: reads what is known, asks the rule for a decision, and writes it.

use domain::accept::Known;
use domain::session::{
    Completing, Completion, Opening, SessionKnown, SessionRequest, WholeFile, complete as decide_complete,
    open as decide_open,
};
use domain::{Job, JobId, RecordingId, Status, Uid};
use flow::ports::{At, Opened, SessionCompleted};
use rusqlite::Connection;

use super::accept::{known, own_job, save_recordings};
use super::fault::Result;
use super::table::jobs;
use super::user_slots;

/// The most sessions beyond the limit that one request ends: a lowered limit is reached step by step.
const MAX_ENDED: usize = 100;

pub fn open(db: &Connection, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
    let own = own_job(db, request.job_id, &request.uid)?;
    let (batch, before) = known(db, &request.uid, own, &request.recording_ids())?;
    let open = open_sessions(db, &request.uid, at)?;
    match decide_open(request, SessionKnown { batch, open }, user_slots::uncounted(at)) {
        Opening::Answer(job) => Ok(Opened::Known(job)),
        Opening::Born { job, recordings } => {
            save_recordings(db, recordings, &before)?;
            jobs::insert(db, &job)?;
            Ok(Opened::Known(job))
        }
        Opening::Again { before, job } => {
            jobs::update(db, &before, &job)?;
            Ok(Opened::Session { job, ended: Vec::new() })
        }
        Opening::New { job, ended } => {
            ended.iter().try_for_each(|ended| jobs::update(db, &ended.before, &ended.job))?;
            jobs::insert(db, &job)?;
            Ok(Opened::Session { job, ended: ended.into_iter().map(|ended| ended.job).collect() })
        }
    }
}

fn open_sessions(db: &Connection, uid: &Uid, at: &At<'_>) -> Result<Vec<Job>> {
    let limit = at.rules.open_sessions_per_user as usize + MAX_ENDED;
    let found = jobs::list(db, uid, Status::Uploading, None, at.now, limit)?;
    // A session that cannot be read cannot be continued.
    jobs::load_listed(db, &found)
}

pub fn complete(db: &Connection, id: JobId, whole: &[WholeFile], at: &At<'_>) -> Result<SessionCompleted> {
    let Some(session) = jobs::load(db, id)? else { return Ok(SessionCompleted::NoSuchJob) };
    let (known, before) = match session.status {
        Status::Uploading => {
            let ids: Vec<RecordingId> = session.files.iter().map(|file| file.recording).collect();
            known(db, &session.uid, None, &ids)?
        }
        // The known recordings only matter for open sessions.
        _ => (Known::default(), Vec::new()),
    };
    let ctx = user_slots::context(db, &session.uid, at)?;
    match decide_complete(Completing { session: session.clone(), known, whole }, ctx) {
        Completion::Before { deduplicated } => Ok(SessionCompleted::Job { job: session, deduplicated }),
        Completion::AnsweredBefore { by } => Ok(match jobs::load(db, by)? {
            Some(by) => SessionCompleted::Answered { by: Box::new(by), session },
            None => SessionCompleted::NoSuchJob,
        }),
        Completion::Ended => Ok(SessionCompleted::Ended(session)),
        Completion::Incomplete(missing) => Ok(SessionCompleted::Incomplete { job: session, missing }),
        Completion::Answer { by, session: ended } => {
            jobs::update(db, &session, &ended)?;
            Ok(SessionCompleted::Answered { by, session: ended })
        }
        Completion::Job { job, recordings, deduplicated } => {
            save_recordings(db, recordings, &before)?;
            jobs::update(db, &session, &job)?;
            Ok(SessionCompleted::Job { job, deduplicated })
        }
    }
}
