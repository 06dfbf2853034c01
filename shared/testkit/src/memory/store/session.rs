//! Opening and completing upload sessions.

use domain::session::{Completing, Completion, Opening, SessionKnown, SessionRequest, WholeFile, complete, open};
use domain::{Job, JobId, Recording, RecordingId, Status};
use flow::Result;
use flow::ports::{At, Opened, SessionCompleted};

use super::tables::Tables;

impl Tables {
    pub fn open_session(&mut self, request: &SessionRequest, at: &At<'_>) -> Result<Opened> {
        let own = self.own_job("store.open_session", request.job_id, &request.uid)?;
        let batch = self.known(&request.uid, own, &request.recording_ids());
        let mut sessions: Vec<Job> =
            self.jobs.values().filter(|j| j.uid == request.uid && j.status == Status::Uploading).cloned().collect();
        sessions.sort_unstable_by_key(|job| std::cmp::Reverse((job.created_at, job.id)));
        let ctx = self.context(&request.uid, at);
        Ok(match open(request, SessionKnown { batch, open: sessions }, ctx) {
            Opening::Answer(job) => Opened::Known(job),
            Opening::Born { job, recordings } => Opened::Known(self.write_job(job, recordings)),
            Opening::Again { job, .. } => Opened::Session { job: self.write_job(job, vec![]), ended: vec![] },
            Opening::New { job, ended } => {
                let ended = ended.into_iter().map(|ended| self.write_job(ended.job, vec![])).collect();
                Opened::Session { job: self.write_job(job, vec![]), ended }
            }
        })
    }

    pub fn complete_session(&mut self, id: JobId, whole: &[WholeFile], at: &At<'_>) -> SessionCompleted {
        let Some(session) = self.jobs.get(&id).cloned() else { return SessionCompleted::NoSuchJob };
        let ids: Vec<RecordingId> = session.files.iter().map(|file| file.recording).collect();
        let known = self.known(&session.uid, None, &ids);
        let ctx = self.context(&session.uid, at);
        match complete(Completing { session: session.clone(), known, whole }, ctx) {
            Completion::Before { deduplicated } => SessionCompleted::Job { job: session, deduplicated },
            Completion::AnsweredBefore { by } => match self.jobs.get(&by).cloned() {
                Some(by) => SessionCompleted::Answered { by: Box::new(by), session },
                None => SessionCompleted::NoSuchJob,
            },
            Completion::Ended => SessionCompleted::Ended(session),
            Completion::Incomplete(missing) => SessionCompleted::Incomplete { job: session, missing },
            Completion::Answer { by, session } => {
                SessionCompleted::Answered { by, session: self.write_job(session, vec![]) }
            }
            Completion::Job { job, recordings, deduplicated } => {
                SessionCompleted::Job { job: self.write_job(job, recordings), deduplicated }
            }
        }
    }

    fn write_job(&mut self, job: Job, recordings: Vec<Recording>) -> Job {
        recordings.into_iter().for_each(|recording| self.put_recording(recording));
        self.jobs.insert(job.id, job.clone());
        job
    }
}
