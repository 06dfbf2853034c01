//! The store's queries: listings, lines, conversations.

use std::cmp::Reverse;

use domain::job::WaitingFor;
use domain::{Conversation, ConversationId, Job, JobId, Line, Status, Timestamp, Uid};
use flow::ports::{
    ChangeCursor, ChangeQuery, ConversationPage, ConversationQuery, DueCursor, JobCursor, JobQuery, JobStats,
    LineCursor, LineQuery, MAX_EFFECTS_COUNTED, Page,
};

use super::tables::Tables;

impl Tables {
    pub fn jobs(&self, query: &JobQuery) -> Vec<Job> {
        let mut jobs: Vec<_> = self.jobs.values().filter(|job| query.shows(job)).collect();
        jobs.sort_by_key(|job| Reverse(JobCursor::of(job)));
        jobs.into_iter().take(query.page.limit).cloned().collect()
    }

    pub fn changed_jobs(&self, query: &ChangeQuery) -> Vec<Job> {
        let mut jobs: Vec<_> = self.jobs.values().filter(|job| query.shows(job)).collect();
        jobs.sort_by_key(|job| ChangeCursor::of(job));
        jobs.into_iter().take(query.page.limit).cloned().collect()
    }

    pub fn jobs_ahead(&self, job: &Job) -> u32 {
        let ahead =
            |other: &&Job| other.uid == job.uid && other.status.is_live() && JobCursor::of(other) < JobCursor::of(job);
        self.jobs.values().filter(ahead).count() as u32
    }

    pub fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Vec<Job> {
        self.due(page, |job| job.due_at.is_some_and(|due| now.has_reached(due)))
    }

    pub fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Vec<Job> {
        self.due(page, |job| statuses.contains(&job.status) && job.due_at.is_some_and(|due| due > beyond))
    }

    fn due(&self, page: Page<DueCursor>, wanted: impl Fn(&Job) -> bool) -> Vec<Job> {
        let comes_after = |job: &&Job| wanted(job) && DueCursor::of(job) > page.after;
        let mut jobs: Vec<_> = self.jobs.values().filter(comes_after).collect();
        jobs.sort_by_key(|job| DueCursor::of(job));
        jobs.into_iter().take(page.limit).cloned().collect()
    }

    pub fn job_stats(&self, now: Timestamp) -> JobStats {
        let count = |status: Status| self.jobs.values().filter(|job| job.status == status).count() as u64;
        let waits = |job: &&Job, what| job.status == Status::Queued && job.waiting_for == Some(what);
        let waiting = |what: WaitingFor| self.jobs.values().filter(|job| waits(job, what)).count() as u64;
        let due = self.due_jobs(now, Page::first(MAX_EFFECTS_COUNTED));
        JobStats {
            by_status: Status::ALL.into_iter().map(|status| (status, count(status))).collect(),
            oldest_due: due.first().and_then(|job| job.due_at),
            waiting: WaitingFor::ALL.into_iter().map(|what| (what, waiting(what))).collect(),
            oldest_unfinished: self.jobs.values().filter(|job| job.status.is_live()).map(|job| job.created_at).min(),
            effects_due: due.iter().filter(|job| job.status.is_terminal()).count() as u64,
        }
    }

    pub fn jobs_with_audio(&self, ids: &[JobId]) -> Vec<JobId> {
        ids.iter().filter(|id| self.jobs.get(id).is_some_and(Job::needs_audio)).copied().collect()
    }

    pub fn conversation(&self, query: &LineQuery) -> Option<ConversationPage> {
        let Page { after, limit } = query.page;
        let conversation = self.resolve(&query.uid, query.conversation).filter(|c| c.is_live())?;
        let shown = |line: &&Line| {
            self.stands_in(&query.uid, conversation.id, line) && after.is_none_or(|after| LineCursor::of(line) > after)
        };
        let mut lines: Vec<_> = self.lines.values().filter(shown).cloned().collect();
        lines.sort_by_key(Line::order);
        Some(ConversationPage::of(conversation.clone(), lines, limit))
    }

    /// Whether a conversation shows the line, or shows those of the one that the line was placed in.
    pub fn stands_in(&self, uid: &Uid, id: ConversationId, line: &Line) -> bool {
        let placed_in = line.conversation_id.filter(|_| line.uid == *uid && line.found_by().is_some());
        placed_in.and_then(|placed_in| self.resolve(uid, placed_in)).is_some_and(|found| found.id == id)
    }

    pub fn conversations(&self, query: &ConversationQuery) -> Vec<Conversation> {
        let mut found: Vec<_> = self.conversations.values().filter(|c| query.shows(c)).collect();
        found.sort_by_key(|c| (c.started_at(), c.id));
        found.into_iter().take(query.page.limit).cloned().collect()
    }
}
