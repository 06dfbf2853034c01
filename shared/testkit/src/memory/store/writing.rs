//! The transactions: creating a job, applying commands to it, and a worker's writes.

use domain::accept::{Batch, Known, decide, latest_jobs, own, withdraw};
use domain::checkpoint::{Checkpoint, files_that_forget, save_checkpoint};
use domain::command::{Action, Command};
use domain::placement::{Group, Placed, PlacementContext, deleted_times, reach};
use domain::planning::{FilePlan, plan_file};
use domain::transition::apply;
use domain::{Job, JobId, Line, Recording, RecordingExtras, RecordingId, Uid, texts};
use flow::ports::{At, Created, Stepped, Withdrawn, Written};
use flow::{Error, Result};

use super::Placement;
use super::tables::Tables;

impl Tables {
    pub fn create_job(&mut self, batch: &Batch, at: &At<'_>) -> Result<Created> {
        let own = self.own_job("store.create_job", batch.job_id, &batch.uid)?;
        let known = self.known(&batch.uid, own, &batch.recording_ids());
        Ok(self.write(decide(batch, known, at.with_provisional_slot()).into()))
    }

    pub fn withdraw_batch(&mut self, batch: &Batch, at: &At<'_>) -> Result<Withdrawn> {
        let own = self.own_job("store.withdraw_batch", batch.job_id, &batch.uid)?;
        Ok(self.write(withdraw(batch, own, at.uncounted())))
    }

    /// The job with exactly this id, which the user must own.
    pub fn own_job(&self, operation: &'static str, id: JobId, uid: &Uid) -> Result<Option<Job>> {
        own(self.jobs.get(&id).cloned(), uid).map_err(|why| Error::new(why.into(), operation, id))
    }

    pub fn known(&self, uid: &Uid, own: Option<Job>, ids: &[RecordingId]) -> Known {
        let recordings: Vec<_> = ids.iter().map(|id| self.recordings.get(&(uid.clone(), *id)).cloned()).collect();
        let jobs = latest_jobs(&recordings).iter().filter_map(|id| self.jobs.get(id).cloned()).collect();
        Known { own, recordings, jobs }
    }

    pub fn step(&mut self, id: JobId, command: &Command, at: &At<'_>) -> Stepped {
        let Some(job) = self.jobs.get(&id).cloned() else { return Stepped::NoSuchJob };
        let ctx = match command {
            Command::SettleSlot => self.context_beside(&job, at),
            _ => self.context(&job.uid, at),
        };
        let step = match apply(&job, command, ctx) {
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
        let Some((job, known)) = self.job_with_file(id, plan.index) else { return Written::gone() };
        let ctx = self.context(&job.uid, at);
        match plan_file(job, known, plan, ctx) {
            Err(why) => Written::Fenced(why),
            Ok(planned) => {
                self.jobs.insert(id, planned.job.clone());
                self.put_recording(planned.recording.clone());
                let of = (planned.recording.uid.clone(), planned.recording.id);
                self.keep_extras(of, planned.extras);
                Written::Done((planned.job, planned.recording))
            }
        }
    }

    pub fn save_checkpoint(&mut self, id: JobId, checkpoint: &Checkpoint, at: &At<'_>) -> Result<Written<Job>> {
        checkpoint.check().map_err(|why| Error::new(why.into(), "store.save_checkpoint", id))?;
        let Some(job) = self.jobs.get(&id).cloned() else { return Ok(Written::gone()) };
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
    pub fn keep_extras(&mut self, of: (Uid, RecordingId), new: RecordingExtras) {
        let extras = self.extras.entry(of).or_default();
        extras.peaks = new.peaks.or(extras.peaks.take());
        extras.levels = new.levels.or(extras.levels.take());
    }

    pub fn store_texts(&mut self, id: JobId, fence: u64, lines: Vec<Line>, at: &At<'_>) -> Result<Written<Vec<Line>>> {
        let Some(job) = self.jobs.get(&id).cloned() else { return Ok(Written::gone()) };
        texts::check(&job, &lines).map_err(|why| Error::new(why.into(), "store.store_texts", id))?;
        match texts::renew(&job, fence, at) {
            Err(why) => return Ok(Written::Fenced(why)),
            Ok(renewed) => self.jobs.insert(id, renewed),
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
        group.check().map_err(|why| Error::new(why.into(), "store.place", id))?;
        let Some((job, Some(recording))) = self.job_with_file(id, group.index) else { return Ok(Written::gone()) };
        let around = self.placement_context(&recording, group);
        let ctx = self.context(&job.uid, at);
        match placement(job, recording, group, around, ctx) {
            Err(why) => Ok(Written::Fenced(why)),
            Ok(placed) => Ok(Written::Done(self.write_placed(placed, at))),
        }
    }

    fn placement_context(&self, recording: &Recording, group: &Group) -> PlacementContext {
        let uid = &recording.uid;
        let explicit = recording.conversation_id.and_then(|id| self.resolve(uid, id)).cloned();
        let mut around = PlacementContext {
            lines: self.lines_at(uid, recording.id, &group.texts()),
            explicit,
            ..PlacementContext::default()
        };
        if let Some(reach) = reach(recording, group) {
            let of_stream = self.conversations.values().filter(|c| c.uid == *uid && c.stream == recording.stream);
            let met = of_stream.filter(|c| c.is_live() && c.timed.is_some_and(|timed| timed.meets(reach)));
            around.near = met.cloned().collect();
            let placed_in =
                self.lines_of(uid, recording.id).filter_map(|line| self.resolve(uid, line.conversation_id?));
            around.deleted = placed_in.flat_map(|conversation| deleted_times(conversation, reach)).collect();
        }
        around
    }

    fn write_placed(&mut self, placed: Placed, at: &At<'_>) -> (Job, Recording) {
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

    fn job_with_file(&self, id: JobId, index: usize) -> Option<(Job, Option<Recording>)> {
        let job = self.jobs.get(&id)?;
        let recording = self.recordings.get(&(job.uid.clone(), job.files.get(index)?.recording));
        Some((job.clone(), recording.cloned()))
    }
}
