//! The store's queries: listings, lines, conversations.

use domain::job::Audio;
use domain::{Conversation, ConversationId, Job, JobId, Line, Status, Timestamp, Uid};
use flow::ports::{ChangeCursor, ConversationPage, DueCursor, JobCursor, JobStats, LineCursor, MAX_EFFECTS_COUNTED};

use super::tables::Tables;

impl Tables {
    pub fn jobs(
        &self,
        uid: &Uid,
        statuses: &[Status],
        after: Option<JobCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Job> {
        let shown = |job: &&Job| {
            let expired = job.expires_at.is_some_and(|at| now.has_reached(at));
            let asked_for = statuses.is_empty() || statuses.contains(&job.status);
            job.uid == *uid && !expired && asked_for && after.is_none_or(|after| cursor(job) < after)
        };
        let mut jobs: Vec<_> = self.jobs.values().filter(shown).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(cursor(job)));
        jobs.into_iter().take(limit).cloned().collect()
    }

    pub fn changed_jobs(
        &self,
        uid: &Uid,
        since: Timestamp,
        after: Option<ChangeCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Job> {
        let shown = |job: &&Job| {
            let expired = job.expires_at.is_some_and(|at| now.has_reached(at));
            let is_later = job.updated_at >= since && after.is_none_or(|after| ChangeCursor::of(job) > after);
            job.uid == *uid && !expired && is_later
        };
        let mut jobs: Vec<_> = self.jobs.values().filter(shown).collect();
        jobs.sort_by_key(|job| ChangeCursor::of(job));
        jobs.into_iter().take(limit).cloned().collect()
    }

    pub fn jobs_ahead(&self, job: &Job) -> u32 {
        let ahead = |other: &&Job| other.uid == job.uid && other.status.is_live() && cursor(other) < cursor(job);
        self.jobs.values().filter(ahead).count() as u32
    }

    pub fn due_jobs(&self, now: Timestamp, after: Option<DueCursor>, limit: usize) -> Vec<Job> {
        let key = |job: &Job| job.due_at.map(|due_at| DueCursor { due_at, id: job.id });
        let is_due = |job: &&Job| key(job).is_some_and(|key| now.has_reached(key.due_at) && Some(key) > after);
        let mut due: Vec<_> = self.jobs.values().filter(is_due).collect();
        due.sort_by_key(|job| key(job));
        due.into_iter().take(limit).cloned().collect()
    }

    pub fn due_beyond(
        &self,
        statuses: &[Status],
        beyond: Timestamp,
        after: Option<DueCursor>,
        limit: usize,
    ) -> Vec<Job> {
        let key = |job: &Job| job.due_at.map(|due_at| DueCursor { due_at, id: job.id });
        let wanted = |job: &&Job| {
            let lies_beyond = job.due_at.is_some_and(|due| due > beyond);
            statuses.contains(&job.status) && lies_beyond && key(job) > after
        };
        let mut jobs: Vec<_> = self.jobs.values().filter(wanted).collect();
        jobs.sort_by_key(|job| key(job));
        jobs.into_iter().take(limit).cloned().collect()
    }

    pub fn job_stats(&self, now: Timestamp) -> JobStats {
        let count = |status: Status| self.jobs.values().filter(|job| job.status == status).count() as u64;
        let due = self.due_jobs(now, None, MAX_EFFECTS_COUNTED);
        JobStats {
            by_status: Status::ALL.into_iter().map(|status| (status, count(status))).collect(),
            oldest_due: due.first().and_then(|job| job.due_at),
            effects_due: due.iter().filter(|job| job.status.is_terminal()).count() as u64,
        }
    }

    pub fn jobs_with_audio(&self, ids: &[JobId]) -> Vec<JobId> {
        let has_audio = |id: &&JobId| self.jobs.get(id).is_some_and(|job| job.audio != Audio::Gone);
        ids.iter().filter(has_audio).copied().collect()
    }

    pub fn conversation(
        &self,
        uid: &Uid,
        id: ConversationId,
        after: Option<LineCursor>,
        limit: usize,
    ) -> Option<ConversationPage> {
        let conversation = self.resolve(uid, id).filter(|c| c.is_live())?;
        let stands_there = |line: &&Line| {
            let at = line.conversation_id.filter(|_| line.uid == *uid && !line.stub);
            at.and_then(|at| self.resolve(uid, at)).is_some_and(|c| c.id == conversation.id)
        };
        let comes_after = |line: &&Line| after.is_none_or(|after| line_cursor(line) > after);
        let mut lines: Vec<_> = self.lines.values().filter(stands_there).filter(comes_after).cloned().collect();
        lines.sort_by_key(Line::order);
        let more = lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| more).map(line_cursor);
        Some(ConversationPage { conversation: conversation.clone(), lines, next })
    }

    pub fn conversations(
        &self,
        uid: &Uid,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        after: Option<(Timestamp, ConversationId)>,
        limit: usize,
    ) -> Vec<Conversation> {
        let key = |c: &Conversation| (c.started_at(), c.id);
        let shown = |c: &&Conversation| {
            let began = c.started_at();
            let in_range = from.is_none_or(|from| began >= from) && to.is_none_or(|to| began < to);
            c.uid == *uid && c.is_live() && in_range && after.is_none_or(|after| key(c) > after)
        };
        let mut found: Vec<_> = self.conversations.values().filter(shown).collect();
        found.sort_by_key(|c| key(c));
        found.into_iter().take(limit).cloned().collect()
    }
}

fn cursor(job: &Job) -> JobCursor {
    JobCursor { created_at: job.created_at, id: job.id }
}

fn line_cursor(line: &Line) -> LineCursor {
    LineCursor { starts_at: line.starts_at, recording: line.recording, start_ms: line.start_ms }
}
