//! The tables of the store, and the queries that several operations share.

use std::collections::BTreeMap;

use domain::transition::{Context, apply};
use domain::{
    Command, Conversation, ConversationId, DeviceId, Job, JobId, Line, Recording, RecordingExtras, RecordingId, Rules,
    Timestamp, Uid, Usage,
};
use flow::ports::{At, Device};

#[derive(Default)]
pub struct Tables {
    pub jobs: BTreeMap<JobId, Job>,
    pub recordings: BTreeMap<(Uid, RecordingId), Recording>,
    pub checkpoints: BTreeMap<(JobId, usize), Vec<u8>>,
    pub beside: BTreeMap<(Uid, RecordingId), RecordingExtras>,
    pub lines: BTreeMap<(Uid, RecordingId, u32), Line>,
    /// The key contains the user: apps generate ids, and two users may have the same one.
    pub conversations: BTreeMap<(Uid, ConversationId), Conversation>,
    pub usage: BTreeMap<(Uid, Timestamp), Usage>,
    pub devices: BTreeMap<(Uid, DeviceId), Device>,
}

impl Tables {
    pub fn turn_is_free(&self, uid: &Uid, rules: &Rules) -> bool {
        let taken = self.jobs.values().filter(|job| job.uid == *uid && job.holds_slot()).count();
        taken < rules.enqueued_per_user as usize
    }

    /// The context that decides a step: the moment, the rules and, where the command asks, the user's slots.
    pub fn context<'a>(&self, uid: &Uid, at: &At<'a>) -> Context<'a> {
        Context { now: at.now, rules: at.rules, slot_free: self.turn_is_free(uid, at.rules) }
    }

    fn next_waiting(&self, uid: &Uid) -> Option<&Job> {
        let waits = |job: &&Job| job.uid == *uid && job.waits_for_slot();
        self.jobs.values().filter(waits).min_by_key(|job| (job.oldest_captured_at, job.created_at, job.id))
    }

    /// Gives every free slot to the waiting job with the oldest recording.
    pub fn promote(&mut self, uid: &Uid, at: &At<'_>) -> Vec<Job> {
        let mut promoted = Vec::new();
        while self.turn_is_free(uid, at.rules) {
            let Some(job) = self.next_waiting(uid) else { break };
            let Ok(step) = apply(job, &Command::Promote, self.context(uid, at)) else { break };
            self.jobs.insert(step.job.id, step.job.clone());
            promoted.push(step.job);
        }
        promoted
    }

    pub fn stuck_users(&self, at: &At<'_>, limit: usize) -> Vec<Uid> {
        let mut stuck: Vec<_> =
            self.jobs.values().filter(|job| job.waits_for_slot()).map(|job| job.uid.clone()).collect();
        stuck.sort();
        stuck.dedup();
        stuck.retain(|uid| self.turn_is_free(uid, at.rules));
        stuck.truncate(limit);
        stuck
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
        let mut starts = starts.to_vec();
        starts.sort_unstable();
        starts.dedup();
        starts.iter().filter_map(|start| self.lines.get(&(uid.clone(), recording, *start)).cloned()).collect()
    }

    pub fn lines_of(&self, uid: &Uid, recording: RecordingId) -> impl Iterator<Item = &Line> {
        let key = |start| (uid.clone(), recording, start);
        self.lines.range(key(0)..=key(u32::MAX)).map(|(_, line)| line)
    }
}
