//! Lists that are read page by page: what is asked for, what is shown, and where a page begins.

use crate::conversation::Conversation;
use crate::id::{ConversationId, JobId, RecordingId, Uid};
use crate::job::{Job, Status};
use crate::line::Line;
use crate::time::Timestamp;

/// The largest count of jobs ahead of another one. Nobody needs a larger number, and an exact count of a very long queue
/// would slow down each status request of its user.
pub const MAX_JOBS_AHEAD: usize = 1_000;

/// A page of a list: the item after which it begins, and the most items that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<C> {
    /// `None` for the first page.
    pub after: Option<C>,
    pub limit: usize,
}

impl<C> Page<C> {
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// Cuts a list to one page, and returns whether there was more.
pub fn cut<T>(items: &mut Vec<T>, limit: usize) -> bool {
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

/// The position after which a list of jobs continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobCursor {
    pub created_at: Timestamp,
    pub id: JobId,
}

impl JobCursor {
    pub fn of(job: &Job) -> Self {
        Self { created_at: job.created_at, id: job.id }
    }
}

/// The position after which the lines of a conversation continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCursor {
    pub starts_at: Timestamp,
    pub recording: RecordingId,
    pub start_ms: u32,
}

impl LineCursor {
    pub fn of(line: &Line) -> Self {
        Self { starts_at: line.starts_at, recording: line.recording, start_ms: line.start_ms }
    }
}

/// The position after which a list of due jobs continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueCursor {
    pub due_at: Timestamp,
    pub id: JobId,
}

impl DueCursor {
    /// `None` if the job is not due at any time.
    pub fn of(job: &Job) -> Option<Self> {
        job.due_at.map(|due_at| Self { due_at, id: job.id })
    }
}

/// The position after which a list of a user's changed jobs continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeCursor {
    pub updated_at: Timestamp,
    pub id: JobId,
}

impl ChangeCursor {
    /// The last change of this job.
    pub fn of(job: &Job) -> Self {
        Self { updated_at: job.updated_at, id: job.id }
    }
}

/// The position after which a list of conversations continues: the start of a conversation, and its id.
pub type ConversationCursor = (Timestamp, ConversationId);

/// Asks for a user's jobs, newest first. Expired ones are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobQuery {
    pub uid: Uid,
    /// Jobs of any status are shown if this is empty.
    pub statuses: Vec<Status>,
    pub now: Timestamp,
    pub page: Page<JobCursor>,
}

impl JobQuery {
    /// Asks for jobs of any status.
    pub fn all(uid: &Uid, page: Page<JobCursor>, now: Timestamp) -> Self {
        Self { uid: uid.clone(), statuses: Vec::new(), now, page }
    }

    pub fn wants(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    /// Whether the job belongs to the list, on this page or a later one.
    pub fn shows(&self, job: &Job) -> bool {
        let comes_after = self.page.after.is_none_or(|after| JobCursor::of(job) < after);
        job.uid == self.uid && self.wants(job.status) && !job.has_expired(self.now) && comes_after
    }
}

/// Asks for a user's jobs that changed at `since` or later, in the order of their last change. Expired ones are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeQuery {
    pub uid: Uid,
    pub since: Timestamp,
    pub now: Timestamp,
    pub page: Page<ChangeCursor>,
}

impl ChangeQuery {
    pub fn of(uid: &Uid, since: Timestamp, page: Page<ChangeCursor>, now: Timestamp) -> Self {
        Self { uid: uid.clone(), since, now, page }
    }

    /// Whether the job belongs to the list, on this page or a later one.
    pub fn shows(&self, job: &Job) -> bool {
        job.uid == self.uid && !job.has_expired(self.now) && self.begin().precedes(&ChangeCursor::of(job))
    }

    pub fn begin(&self) -> Begin<ChangeCursor> {
        Begin::of(Some(self.since), self.page.after)
    }
}

/// Asks for a conversation after following redirects, with its lines in order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineQuery {
    pub uid: Uid,
    pub conversation: ConversationId,
    pub page: Page<LineCursor>,
}

impl LineQuery {
    pub fn of(uid: &Uid, conversation: ConversationId, page: Page<LineCursor>) -> Self {
        Self { uid: uid.clone(), conversation, page }
    }
}

/// Asks for a user's live conversations that began in `from..to`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationQuery {
    pub uid: Uid,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub page: Page<ConversationCursor>,
}

impl ConversationQuery {
    /// Asks for conversations of any time.
    pub fn all(uid: &Uid, page: Page<ConversationCursor>) -> Self {
        Self { uid: uid.clone(), from: None, to: None, page }
    }

    /// Whether the conversation belongs to the list, on this page or a later one.
    pub fn shows(&self, conversation: &Conversation) -> bool {
        let began = conversation.started_at();
        let is_in_time = self.to.is_none_or(|to| began < to) && self.begin().precedes(&(began, conversation.id));
        conversation.uid == self.uid && conversation.is_live() && is_in_time
    }

    pub fn begin(&self) -> Begin<ConversationCursor> {
        Begin::of(self.from, self.page.after)
    }
}

/// A conversation with a page of its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationPage {
    pub conversation: Conversation,
    pub lines: Vec<Line>,
    pub next: Option<LineCursor>,
}

impl ConversationPage {
    /// The page with the first `limit` of these lines, which are sorted. One more line than that tells that another page
    /// follows.
    pub fn of(conversation: Conversation, mut lines: Vec<Line>, limit: usize) -> Self {
        let more = cut(&mut lines, limit);
        let next = lines.last().filter(|_| more).map(LineCursor::of);
        Self { conversation, lines, next }
    }
}

/// The time of a position in a list that is sorted by time.
pub trait Timed {
    fn time(&self) -> Timestamp;
}

impl Timed for LineCursor {
    fn time(&self) -> Timestamp {
        self.starts_at
    }
}

impl Timed for ChangeCursor {
    fn time(&self) -> Timestamp {
        self.updated_at
    }
}

impl Timed for ConversationCursor {
    fn time(&self) -> Timestamp {
        self.0
    }
}

/// Where a page begins in a list that is sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin<C> {
    First,
    At(Timestamp),
    After(C),
}

impl<C> From<Option<C>> for Begin<C> {
    /// The page after an item, or the first one.
    fn from(after: Option<C>) -> Self {
        after.map_or(Self::First, Self::After)
    }
}

impl<C: Timed + Ord> Begin<C> {
    /// The page begins after the cursor, but not before `from`.
    pub fn of(from: Option<Timestamp>, after: Option<C>) -> Self {
        match (from, after) {
            (Some(from), Some(after)) if after.time() < from => Self::At(from),
            (Some(from), None) => Self::At(from),
            (_, after) => after.into(),
        }
    }

    /// Whether a position lies on the page or after it.
    pub fn precedes(&self, position: &C) -> bool {
        match self {
            Self::First => true,
            Self::At(from) => position.time() >= *from,
            Self::After(after) => position > after,
        }
    }
}

#[cfg(test)]
mod tests;
