//! Upload sessions: reads what is known, asks the rule for a decision, and writes it.

use domain::accept::Known;
use domain::session::{
    Completing, Completion, Opening, SessionKnown, SessionRequest, WholeFile, complete as decide_complete,
    open as decide_open,
};
use domain::{JobId, RecordingId, Status};
use flow::ports::{At, Opened, SessionCompleted};

use super::accept::{known, save_recordings};
use super::fault::Result;
use super::table::jobs;
use super::unit::Unit;
use super::user_slots;

/// The most sessions beyond the limit that one request ends: a lowered limit is reached step by step.
const MAX_ENDED: usize = 100;

pub async fn open(unit: &mut Unit<'_>, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
    let (batch, before) = known(unit, &request.uid, Some(request.job_id), &request.recording_ids()).await?;
    let limit = at.rules.open_sessions_per_user as usize + MAX_ENDED;
    let open = jobs::open_sessions(unit, &request.uid, limit).await?;
    match decide_open(request, SessionKnown { batch, open }, user_slots::uncounted(at)) {
        Opening::Answer(job) => Ok(Opened::Known(job)),
        Opening::Born { job, recordings } => {
            save_recordings(unit, recordings, &before)?;
            jobs::create(unit, &job)?;
            Ok(Opened::Known(job))
        }
        Opening::Again { before, job } => {
            jobs::update(unit, &before, &job)?;
            Ok(Opened::Session { job, ended: Vec::new() })
        }
        Opening::New { job, ended } => {
            for ended in &ended {
                jobs::update(unit, &ended.before, &ended.job)?;
            }
            jobs::create(unit, &job)?;
            Ok(Opened::Session { job, ended: ended.into_iter().map(|ended| ended.job).collect() })
        }
    }
}

pub async fn complete(unit: &mut Unit<'_>, id: JobId, whole: &[WholeFile], at: &At<'_>) -> Result<SessionCompleted> {
    let Some(session) = jobs::load(unit, id).await? else { return Ok(SessionCompleted::NoSuchJob) };
    let (known, before, ctx) = match session.status {
        Status::Uploading => {
            let ids: Vec<RecordingId> = session.files.iter().map(|file| file.recording).collect();
            let (known, before) = known(unit, &session.uid, None, &ids).await?;
            (known, before, user_slots::context(unit, &session.uid, at).await?)
        }
        // The known recordings only matter for open sessions.
        _ => (Known::default(), Vec::new(), user_slots::uncounted(at)),
    };
    match decide_complete(Completing { session: session.clone(), known, whole }, ctx) {
        Completion::Before { deduplicated } => Ok(SessionCompleted::Job { job: session, deduplicated }),
        Completion::AnsweredBefore { by } => Ok(match jobs::load(unit, by).await? {
            Some(by) => SessionCompleted::Answered { by: Box::new(by), session },
            None => SessionCompleted::NoSuchJob,
        }),
        Completion::Ended => Ok(SessionCompleted::Ended(session)),
        Completion::Incomplete(missing) => Ok(SessionCompleted::Incomplete { job: session, missing }),
        Completion::Answer { by, session: ended } => {
            jobs::update(unit, &session, &ended)?;
            Ok(SessionCompleted::Answered { by, session: ended })
        }
        Completion::Job { job, recordings, deduplicated } => {
            save_recordings(unit, recordings, &before)?;
            jobs::update(unit, &session, &job)?;
            Ok(SessionCompleted::Job { job, deduplicated })
        }
    }
}
