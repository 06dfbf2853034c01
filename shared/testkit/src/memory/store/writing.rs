//! The transactions: creating a job, applying commands to it, and a worker's writes.

use domain::accept::{Batch, Decision, Known, decide};
use domain::checkpoint::{Checkpoint, MAX_CHECKPOINT_BYTES, files_that_forget, save_checkpoint};
use domain::command::{Action, Command, Refusal};
use domain::placement::{Group, MAX_GROUP, Placed, PlacementContext, reach};
use domain::planning::{FilePlan, plan_file};
use domain::transition::apply;
use domain::{Interval, Job, JobId, Line, Recording, RecordingExtras, RecordingId, Uid};
use flow::ports::{At, Created, Stepped, Written};
use flow::{Error, Kind, Result};

use super::Placement;
use super::tables::Tables;

/// The answer to a worker whose job does not exist any more.
const GONE: Refusal = Refusal::Fenced { fence: 0 };

impl Tables {
    pub fn create_job(&mut self, batch: &Batch, at: &At<'_>) -> Result<Created> {
        let own = self.own_job("store.create_job", batch.job_id, &batch.uid)?;
        let known = self.known(&batch.uid, own, &batch.recording_ids());
        match decide(batch, known, self.context(&batch.uid, at)) {
            Decision::Own { job, deduplicated } => Ok(Created::New { job, deduplicated }),
            Decision::Answer(job) => Ok(Created::Answered(job)),
            Decision::Create { job, recordings, deduplicated } => {
                recordings.into_iter().for_each(|recording| self.put_recording(recording));
                self.jobs.insert(job.id, job.clone());
                Ok(Created::New { job, deduplicated })
            }
        }
    }

    /// The job with exactly this id, which the user must own.
    pub fn own_job(&self, operation: &'static str, id: JobId, uid: &Uid) -> Result<Option<Job>> {
        match self.jobs.get(&id) {
            Some(job) if job.uid != *uid => Err(Error::new(Kind::Conflict, operation, id)),
            own => Ok(own.cloned()),
        }
    }

    pub fn known(&self, uid: &Uid, own: Option<Job>, ids: &[RecordingId]) -> Known {
        let recordings: Vec<_> = ids.iter().map(|id| self.recordings.get(&(uid.clone(), *id)).cloned()).collect();
        let mut latest: Vec<_> = recordings.iter().flatten().map(|recording| recording.latest_job).collect();
        latest.sort_unstable();
        latest.dedup();
        let jobs = latest.iter().filter_map(|id| self.jobs.get(id).cloned()).collect();
        Known { own, recordings, jobs }
    }

    pub fn step(&mut self, id: JobId, command: &Command, at: &At<'_>) -> Stepped {
        let Some(job) = self.jobs.get(&id).cloned() else { return Stepped::NoSuchJob };
        let step = match apply(&job, command, self.context(&job.uid, at)) {
            Ok(step) => step,
            Err(why) => return Stepped::Refused { job, why },
        };
        self.jobs.insert(id, step.job.clone());
        for index in files_that_forget(&job, &step.job) {
            self.checkpoints.remove(&(id, index));
        }
        if step.asks_for(Action::Forget) {
            self.jobs.remove(&id);
        }
        let promoted = if step.asks_for(Action::PromoteNext) { self.promote(&job.uid, at) } else { Vec::new() };
        Stepped::Done { job: step.job, actions: step.actions, promoted }
    }

    pub fn plan_file(&mut self, id: JobId, plan: &FilePlan, at: &At<'_>) -> Written<(Job, Recording)> {
        let Some((job, recording)) = self.job_with_file(id, plan.index) else { return Written::Fenced(GONE) };
        let ctx = self.context(&job.uid, at);
        match plan_file(job, recording, plan, ctx) {
            Err(why) => Written::Fenced(why),
            Ok(planned) => {
                self.jobs.insert(id, planned.job.clone());
                self.put_recording(planned.recording.clone());
                let of = (planned.recording.uid.clone(), planned.recording.id);
                self.keep_beside(of, planned.beside);
                Written::Done((planned.job, planned.recording))
            }
        }
    }

    pub fn save_checkpoint(&mut self, id: JobId, checkpoint: &Checkpoint, at: &At<'_>) -> Result<Written<Job>> {
        if checkpoint.bytes.len() > MAX_CHECKPOINT_BYTES {
            return Err(Error::new(Kind::Invalid, "store.save_checkpoint", id));
        }
        let Some(job) = self.jobs.get(&id).cloned() else { return Ok(Written::Fenced(GONE)) };
        let ctx = self.context(&job.uid, at);
        match save_checkpoint(job, checkpoint, ctx) {
            Err(why) => Ok(Written::Fenced(why)),
            Ok(after) => {
                self.jobs.insert(id, after.clone());
                self.checkpoints.insert((id, checkpoint.index), checkpoint.bytes.clone());
                Ok(Written::Done(after))
            }
        }
    }

    /// Existing values stay where the new ones are unknown.
    pub fn keep_beside(&mut self, of: (Uid, RecordingId), new: RecordingExtras) {
        let beside = self.beside.entry(of).or_default();
        beside.peaks = new.peaks.or(beside.peaks.take());
        beside.levels = new.levels.or(beside.levels.take());
    }

    pub fn store_texts(&mut self, id: JobId, fence: u64, lines: Vec<Line>, at: &At<'_>) -> Result<Written<Vec<Line>>> {
        let Some(job) = self.jobs.get(&id).cloned() else { return Ok(Written::Fenced(GONE)) };
        let of_this_job = |line: &Line| line.uid == job.uid && job.files.iter().any(|f| f.recording == line.recording);
        if lines.len() > MAX_GROUP || !lines.iter().all(of_this_job) {
            return Err(Error::new(Kind::Invalid, "store.texts", id));
        }
        // Storing texts changes the job only as a renewal of its lease does.
        let ctx = self.context(&job.uid, at);
        match apply(&job, &Command::Renew { fence }, ctx) {
            Err(why) => return Ok(Written::Fenced(why)),
            Ok(step) => self.jobs.insert(id, step.job),
        };
        let stands = |line: Line| {
            let key = (line.uid.clone(), line.recording, line.start_ms);
            self.lines.entry(key).or_insert(line).clone()
        };
        Ok(Written::Done(lines.into_iter().map(stands).collect()))
    }

    pub fn place(
        &mut self,
        placement: &Placement,
        id: JobId,
        group: &Group,
        at: &At<'_>,
    ) -> Result<Written<(Job, Recording)>> {
        if group.answers.len() > MAX_GROUP {
            return Err(Error::new(Kind::Invalid, "store.place", id));
        }
        let Some((job, recording)) = self.job_with_file(id, group.index) else { return Ok(Written::Fenced(GONE)) };
        let around = self.placement_context(&recording, group);
        let ctx = self.context(&job.uid, at);
        match placement(job, recording, group, around, ctx) {
            Err(why) => Ok(Written::Fenced(why)),
            Ok(placed) => Ok(Written::Done(self.write(placed, at))),
        }
    }

    fn placement_context(&self, recording: &Recording, group: &Group) -> PlacementContext {
        let uid = &recording.uid;
        let starts: Vec<_> = group.answers.iter().map(|(start_ms, _)| *start_ms).collect();
        let explicit = recording.conversation_id.and_then(|id| self.resolve(uid, id)).cloned();
        let mut around = PlacementContext {
            lines: self.lines_at(uid, recording.id, &starts),
            explicit,
            ..PlacementContext::default()
        };
        if let Some(reach) = reach(recording, group) {
            let near = |timed: &Interval| timed.start <= reach.end && reach.start <= timed.end;
            let of_stream = self.conversations.values().filter(|c| c.uid == *uid && c.stream == recording.stream);
            let met = of_stream.filter(|c| c.is_live() && c.timed.as_ref().is_some_and(near));
            around.near = met.cloned().collect();
            around.deleted = self.deleted_of(recording).into_iter().filter(near).collect();
        }
        around
    }

    /// The times of deleted conversations that hold a segment of this recording.
    fn deleted_of(&self, recording: &Recording) -> Vec<Interval> {
        let stands_in = |line: &Line| self.resolve(&recording.uid, line.conversation_id?);
        let lines = self.lines_of(&recording.uid, recording.id);
        let deleted = lines.filter_map(stands_in).filter(|conversation| conversation.deleted_at.is_some());
        deleted.flat_map(|conversation| [conversation.timed, conversation.attached]).flatten().collect()
    }

    fn write(&mut self, placed: Placed, at: &At<'_>) -> (Job, Recording) {
        let Placed { job, recording, lines, conversations, usage } = placed;
        let uid = &job.uid;
        self.lines.extend(lines.into_iter().map(|line| ((uid.clone(), line.recording, line.start_ms), line)));
        self.conversations.extend(conversations.into_iter().map(|c| ((uid.clone(), c.id), c)));
        if !usage.is_zero() {
            *self.usage.entry((uid.clone(), at.now.hour())).or_default() += usage;
        }
        self.jobs.insert(job.id, job.clone());
        self.put_recording(recording.clone());
        (job, recording)
    }

    fn job_with_file(&self, id: JobId, index: usize) -> Option<(Job, Recording)> {
        let job = self.jobs.get(&id)?;
        let recording = self.recording(job, job.files.get(index)?.recording)?;
        Some((job.clone(), recording.clone()))
    }

    fn recording(&self, job: &Job, id: RecordingId) -> Option<&Recording> {
        self.recordings.get(&(job.uid.clone(), id))
    }

    pub fn put_recording(&mut self, recording: Recording) {
        self.recordings.insert((recording.uid.clone(), recording.id), recording);
    }
}
