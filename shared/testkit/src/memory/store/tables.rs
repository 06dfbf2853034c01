//! The tables of the store, and the queries that several operations share.

use std::collections::BTreeMap;

use domain::decision::{Decided, Writes};
use domain::transition::Context;
use domain::{
    Conversation, ConversationId, DeviceId, Job, JobId, Line, Recording, RecordingExtras, RecordingId, Timestamp, Uid,
    Usage, slot, texts,
};
use flow::ports::{At, Device};

#[derive(Default)]
pub struct Tables {
    pub jobs: BTreeMap<JobId, Job>,
    pub recordings: BTreeMap<(Uid, RecordingId), Recording>,
    pub checkpoints: BTreeMap<(JobId, usize), Vec<u8>>,
    pub extras: BTreeMap<(Uid, RecordingId), RecordingExtras>,
    pub lines: BTreeMap<(Uid, RecordingId, u32), Line>,
    /// The key contains the user: apps generate ids, and two users may have the same one.
    pub conversations: BTreeMap<(Uid, ConversationId), Conversation>,
    pub usage: BTreeMap<(Uid, Timestamp), Usage>,
    pub devices: BTreeMap<(Uid, DeviceId), Device>,
}

impl Tables {
    fn slots_held(&self, uid: &Uid) -> u32 {
        self.jobs.values().filter(|job| job.uid == *uid && job.holds_slot()).count() as u32
    }

    /// The context that decides an operation, with the user's slots.
    pub fn context<'a>(&self, uid: &Uid, at: &At<'a>) -> Context<'a> {
        at.with_slots_held(self.slots_held(uid))
    }

    /// The context in which a job settles the slot that it holds: only those of the other jobs count.
    pub fn context_beside<'a>(&self, job: &Job, at: &At<'a>) -> Context<'a> {
        at.with_slots_held(self.slots_held(&job.uid).saturating_sub(u32::from(job.holds_slot())))
    }

    /// Writes what was decided, and returns the answer.
    pub fn write<T>(&mut self, decided: Decided<T>) -> T {
        let Writes { recordings, changed, created } = decided.writes;
        recordings.into_iter().for_each(|recording| self.put_recording(recording));
        let jobs = changed.into_iter().map(|change| change.job).chain(created);
        self.jobs.extend(jobs.map(|job| (job.id, job)));
        decided.answer
    }

    /// Gives every free slot to the next waiting job.
    pub fn promote(&mut self, uid: &Uid, at: &At<'_>) -> Vec<Job> {
        let mut waiting: Vec<_> =
            self.jobs.values().filter(|job| job.uid == *uid && job.waits_for_slot()).cloned().collect();
        waiting.sort_by_key(slot::order);
        self.write(slot::promote(waiting, self.slots_held(uid), at))
    }

    pub fn stuck_users(&self, at: &At<'_>, limit: usize) -> Vec<Uid> {
        let mut stuck: Vec<_> =
            self.jobs.values().filter(|job| job.waits_for_slot()).map(|job| job.uid.clone()).collect();
        stuck.sort();
        stuck.dedup();
        stuck.retain(|uid| self.context(uid, at).slot_free);
        stuck.truncate(limit);
        stuck
    }

    pub fn put_recording(&mut self, recording: Recording) {
        self.recordings.insert((recording.uid.clone(), recording.id), recording);
    }

    /// The conversation that an id stands for now: a merged id leads to its survivor. The result may be deleted.
    pub fn resolve(&self, uid: &Uid, id: ConversationId) -> Option<&Conversation> {
        let mut found = self.conversations.get(&(uid.clone(), id))?;
        while let Some(survivor) = found.merged_into {
            found = self.conversations.get(&(uid.clone(), survivor))?;
        }
        Some(found)
    }

    pub fn lines_at(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Vec<Line> {
        let line = |start| self.lines.get(&(uid.clone(), recording, start)).cloned();
        texts::in_order(starts).into_iter().filter_map(line).collect()
    }

    pub fn lines_of(&self, uid: &Uid, recording: RecordingId) -> impl Iterator<Item = &Line> {
        let key = |start| (uid.clone(), recording, start);
        self.lines.range(key(0)..=key(u32::MAX)).map(|(_, line)| line)
    }
}
