//! Opening and completing upload sessions.

use domain::session::{Completing, SessionKnown, SessionRequest, WholeFile, complete, open, recordings_to_read};
use domain::{Job, JobId, Status};
use flow::Result;
use flow::ports::{At, JobCursor, Opened, SessionCompleted};

use super::tables::Tables;

impl Tables {
    pub fn open_session(&mut self, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
        let own = self.own_job("store.open_session", request.job_id, &request.uid)?;
        let batch = self.known(&request.uid, own, &request.recording_ids());
        let is_open = |job: &&Job| job.uid == request.uid && job.status == Status::Uploading;
        let mut sessions: Vec<Job> = self.jobs.values().filter(is_open).cloned().collect();
        sessions.sort_unstable_by_key(|job| std::cmp::Reverse(JobCursor::of(job)));
        let ctx = self.context(&request.uid, at);
        Ok(self.write(open(request, SessionKnown { batch, open: sessions }, ctx).into()))
    }

    pub fn complete_session(&mut self, id: JobId, whole: &[WholeFile], at: &At<'_>) -> SessionCompleted {
        let Some(session) = self.jobs.get(&id).cloned() else { return SessionCompleted::NoSuchJob };
        let known = self.known(&session.uid, None, &recordings_to_read(&session));
        let answering = session.answered_by.and_then(|id| self.jobs.get(&id)).cloned();
        let ctx = at.with_provisional_slot();
        let completion = complete(Completing { session: session.clone(), known, whole }, ctx);
        self.write(completion.decided(session, answering))
    }
}
