//! Following a user's jobs as they change: every change is told at least once, with what the job has come to by then.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use domain::{Job, Status, Timestamp, Uid};

use crate::error::Result;
use crate::ports::{ChangeCursor, Watch};
use crate::services::Services;

/// A change has its moment before it is written, and so may become visible after a later one: each look goes back by as
/// much as a write may take.
pub const OVERLAP: Duration = Duration::from_secs(5);
/// Its moment is by the clock of whoever writes it, and the clocks of instances may differ by this much.
pub const CLOCKS: Duration = Duration::from_secs(60);
/// So now and then a look goes back by that as well. Not each of them: it reads every job that changed in that time.
pub const WIDE_EVERY: Duration = Duration::from_secs(30);
/// Unfinished jobs that are told first to somebody who is new.
const UNFINISHED: usize = 100;
/// Changed jobs read at once.
const PAGE: usize = 10;
/// Changes that are remembered as told. Where more happen in the time that a wide look goes back, the oldest are taken for
/// settled.
const REMEMBERED: usize = 4000;

pub struct Follower {
    services: Services,
    uid: Uid,
    watch: Watch,
    /// Everything that changed before this, by whatever clock, was told.
    settled: Timestamp,
    /// Everything that changed before this, by our clock, was told.
    since: Timestamp,
    /// When the last wide look began.
    wide: Option<Timestamp>,
    /// What was told of what changed since `settled`.
    reported: BTreeSet<ChangeCursor>,
    /// What changed before this was told, and forgotten for want of room.
    floor: Timestamp,
    /// The look that is not at its end.
    look: Option<Look>,
}

/// A look that reads on, page by page.
#[derive(Clone, Copy)]
struct Look {
    began: Timestamp,
    since: Timestamp,
    is_wide: bool,
    after: Option<ChangeCursor>,
}

impl Follower {
    /// Follows what changes from `last` on, the last change that the user knows of; who knows of none is new, and is
    /// told every unfinished job first: see [`unfinished`].
    pub fn new(services: &Services, uid: &Uid, last: Option<Timestamp>) -> Self {
        let (watch, now) = (services.feed.watch(uid), services.now());
        // What changed after `last` may have an earlier moment, by another clock.
        let since = last.map_or(now, |last| last.min(now)) - OVERLAP - CLOCKS;
        Self {
            services: services.clone(),
            uid: uid.clone(),
            watch,
            settled: since,
            since,
            wide: None,
            reported: BTreeSet::new(),
            floor: Timestamp::default(),
            look: None,
        }
    }

    /// Unfinished jobs, the newest of them, in the order of their last change. They count as told.
    pub async fn unfinished(&mut self) -> Result<VecDeque<Job>> {
        let mut jobs = unfinished(&self.services, &self.uid).await?;
        jobs.retain(|job| self.is_new(job));
        Ok(jobs)
    }

    /// Waits until something may have changed.
    pub async fn woken(&mut self) {
        self.watch.woken().await;
    }

    /// One look: changes that were not told yet, a page of them, and whether there may be more.
    pub async fn look(&mut self) -> Result<(VecDeque<Job>, bool)> {
        let now = self.services.now();
        let look = self.look.unwrap_or_else(|| self.begin(now));
        let page = self.services.store.changed_jobs(&self.uid, look.since, look.after, PAGE, now).await?;
        self.look = page.get(PAGE - 1).map(|last| Look { after: Some(ChangeCursor::of(last)), ..look });
        let news = page.into_iter().filter(|job| self.is_new(job)).collect();
        if self.look.is_none() {
            self.settle(look);
        }
        Ok((news, self.look.is_some()))
    }

    /// How far back the next look will go.
    pub fn looked_back(&self) -> Duration {
        let now = self.services.now();
        self.begin(now).since.until(now)
    }

    fn begin(&self, now: Timestamp) -> Look {
        // A clock that was set back makes the next one wide as well.
        let is_wide = self.wide.is_none_or(|wide| now < wide || now.has_reached(wide + WIDE_EVERY));
        let since = if is_wide { self.settled } else { self.since };
        Look { began: now, since, is_wide, after: None }
    }

    /// Remembers the change, in bounds.
    fn is_new(&mut self, job: &Job) -> bool {
        let is_new = self.reported.insert(ChangeCursor::of(job));
        while self.reported.len() > REMEMBERED
            && let Some(oldest) = self.reported.pop_first()
        {
            self.floor = self.floor.max(oldest.updated_at + Duration::from_millis(1));
        }
        is_new
    }

    /// What changed long enough before the look began that has ended was visible then. A clock that was set back takes it
    /// back too: changes are told again rather than never.
    fn settle(&mut self, look: Look) {
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

/// A user's unfinished jobs, the newest of them, in the order of their last change.
pub async fn unfinished(services: &Services, uid: &Uid) -> Result<VecDeque<Job>> {
    let unfinished: Vec<_> = Status::ALL.into_iter().filter(|status| !status.is_terminal()).collect();
    let mut jobs = services.store.jobs(uid, &unfinished, None, UNFINISHED, services.now()).await?;
    jobs.sort_by_key(ChangeCursor::of);
    Ok(jobs.into())
}
