//! Following the changes of a user's jobs. Every change is reported at least once, with the state of the job at that time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::{Job, Status, Timestamp, Uid};

use crate::error::Result;
use crate::ports::{ChangeCursor, ChangeQuery, Clock, Feed, JobQuery, JobStore, Page, Watch};

/// The time of a change is taken before the change is written, so that it may become visible after a later one. Each query
/// therefore goes back by as much as a write may take.
pub const OVERLAP: Duration = Duration::from_secs(5);
/// The time of a change is taken from the writer's clock, and the clocks of instances may differ by this much.
pub const CLOCKS: Duration = Duration::from_secs(60);
/// How often a query goes back by [`CLOCKS`] as well. Not every query does, because it reads every job that changed in
/// that time.
pub const WIDE_EVERY: Duration = Duration::from_secs(30);
/// The most unfinished jobs that are reported first to a new client.
const UNFINISHED: usize = 100;
/// The number of changed jobs that are read at once.
const PAGE: usize = 10;
/// The most reported changes that are remembered. If more happen in the time that a wide query covers, the oldest count as
/// reported.
const REMEMBERED: usize = 4000;

pub struct Follower {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    uid: Uid,
    watch: Watch,
    /// Every change before this time, by any clock, was reported.
    settled: Timestamp,
    /// Every change before this time, by our own clock, was reported.
    since: Timestamp,
    /// When the last wide query began.
    wide: Option<Timestamp>,
    /// The reported changes since `settled`.
    reported: BTreeSet<ChangeCursor>,
    /// Changes before this time were reported and then dropped from `reported`, because it was full.
    floor: Timestamp,
    /// The query that has not read its last page.
    query: Option<Query>,
}

/// A query that is read page by page.
#[derive(Clone, Copy)]
struct Query {
    began: Timestamp,
    since: Timestamp,
    is_wide: bool,
    after: Option<ChangeCursor>,
}

impl Follower {
    /// Follows the changes after `last`, the last change that the client has seen. For a client without one,
    /// [`Self::unfinished`] reports every unfinished job first.
    pub fn new(
        store: Arc<dyn JobStore>,
        feed: &dyn Feed,
        clock: Arc<dyn Clock>,
        uid: &Uid,
        last: Option<Timestamp>,
    ) -> Self {
        let (watch, now) = (feed.watch(uid), clock.now());
        // A change after `last` may have an earlier time, by another clock.
        let since = last.map_or(now, |last| last.min(now)) - OVERLAP - CLOCKS;
        Self {
            store,
            clock,
            uid: uid.clone(),
            watch,
            settled: since,
            since,
            wide: None,
            reported: BTreeSet::new(),
            floor: Timestamp::default(),
            query: None,
        }
    }

    /// The newest unfinished jobs in the order of their last change. They count as reported.
    pub async fn unfinished(&mut self) -> Result<VecDeque<Job>> {
        let unfinished = Status::ALL.into_iter().filter(|status| !status.is_terminal());
        let query = JobQuery {
            statuses: unfinished.collect(),
            ..JobQuery::all(&self.uid, Page::first(UNFINISHED), self.clock.now())
        };
        let mut jobs = self.store.jobs(&query).await?;
        jobs.sort_by_key(ChangeCursor::of);
        jobs.retain(|job| self.is_new(job));
        Ok(jobs.into())
    }

    /// Waits until something may have changed.
    pub async fn woken(&mut self) {
        self.watch.woken().await;
    }

    /// Reads one page: the changes that were not reported yet, and whether there may be more.
    pub async fn next_page(&mut self) -> Result<(VecDeque<Job>, bool)> {
        let now = self.clock.now();
        let query = self.query.unwrap_or_else(|| self.begin(now));
        let page = Page { after: query.after, limit: PAGE };
        let page = self.store.changed_jobs(&ChangeQuery::of(&self.uid, query.since, page, now)).await?;
        self.query = page.get(PAGE - 1).map(|last| Query { after: Some(ChangeCursor::of(last)), ..query });
        let news = page.into_iter().filter(|job| self.is_new(job)).collect();
        if self.query.is_none() {
            self.advance(query);
        }
        Ok((news, self.query.is_some()))
    }

    /// How far back the next query will go.
    pub fn looked_back(&self) -> Duration {
        let now = self.clock.now();
        self.begin(now).since.until(now)
    }

    fn begin(&self, now: Timestamp) -> Query {
        // After a clock was set back, the next query is wide as well.
        let is_wide = self.wide.is_none_or(|wide| now < wide || now.has_reached(wide + WIDE_EVERY));
        let since = if is_wide { self.settled } else { self.since };
        Query { began: now, since, is_wide, after: None }
    }

    /// Whether the change was not reported yet. It is remembered as reported, up to a limit.
    fn is_new(&mut self, job: &Job) -> bool {
        let is_new = self.reported.insert(ChangeCursor::of(job));
        while self.reported.len() > REMEMBERED
            && let Some(oldest) = self.reported.pop_first()
        {
            self.floor = self.floor.max(oldest.updated_at + Duration::from_millis(1));
        }
        is_new
    }

    /// Moves the start of later queries forward after a complete query, to which older changes were visible. After a
    /// clock was set back the start moves back too, so that changes are reported twice rather than never.
    fn advance(&mut self, look: Query) {
        let seen = look.began - OVERLAP;
        if look.began < self.floor {
            self.floor = Timestamp::default();
        }
        self.since = seen.max(self.floor);
        if look.is_wide {
            self.wide = Some(look.began);
            self.settled = (seen - CLOCKS).max(self.floor);
            self.reported.retain(|change| change.updated_at >= self.settled);
        }
    }
}
