//! Following a user's jobs as they change: every change is told at least once, with what the job has come to by then.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use domain::{Job, Status, Timestamp, Uid};

use crate::error::Result;
use crate::ports::{ChangeCursor, Watch};
use crate::world::World;

/// A change has its moment before it is written, and so may become visible after a later one: each look goes back by as
/// much as a write may take.
pub const OVERLAP: Duration = Duration::from_secs(5);
/// Unfinished jobs that are told first to somebody who is new.
const UNFINISHED: usize = 100;
/// Changed jobs read at once.
const PAGE: usize = 10;
/// Changes that are remembered as told. Where more happen within the overlap, the oldest are taken for settled.
const REMEMBERED: usize = 1000;

pub struct Follower {
    world: World,
    uid: Uid,
    watch: Watch,
    /// Everything that changed before this was told.
    since: Timestamp,
    /// What was told of what changed since then.
    told: BTreeSet<ChangeCursor>,
    /// What changed before this was told, and forgotten for want of room.
    floor: Timestamp,
    /// When the present look began, and where it goes on.
    look: Option<(Timestamp, ChangeCursor)>,
}

impl Follower {
    /// Follows what changes from `last` on, the last change that the user knows of; who knows of none is new, and is
    /// told every unfinished job first: see [`unfinished`].
    pub fn new(world: &World, uid: &Uid, last: Option<Timestamp>) -> Self {
        let (watch, now) = (world.feed.watch(uid), world.now());
        let since = last.map_or(now, |last| last.min(now)) - OVERLAP;
        Self {
            world: world.clone(),
            uid: uid.clone(),
            watch,
            since,
            told: BTreeSet::new(),
            floor: Timestamp::default(),
            look: None,
        }
    }

    /// Unfinished jobs, the newest of them, in the order of their last change. They count as told.
    pub async fn unfinished(&mut self) -> Result<VecDeque<Job>> {
        let mut jobs = unfinished(&self.world, &self.uid).await?;
        jobs.retain(|job| self.is_news(job));
        Ok(jobs)
    }

    /// Waits until something may have changed.
    pub async fn woken(&mut self) {
        self.watch.woken().await;
    }

    /// One look: changes that were not told yet, a page of them, and whether there may be more.
    pub async fn look(&mut self) -> Result<(VecDeque<Job>, bool)> {
        let now = self.world.now();
        let (began, after) = self.look.map_or((now, None), |(began, after)| (began, Some(after)));
        let page = self.world.store.changed_jobs(&self.uid, self.since, after, PAGE, now).await?;
        self.look = page.get(PAGE - 1).map(|last| (began, ChangeCursor::of(last)));
        let news = page.into_iter().filter(|job| self.is_news(job)).collect();
        if self.look.is_none() {
            self.settle(began - OVERLAP);
        }
        Ok((news, self.look.is_some()))
    }

    /// Remembers the change, in bounds.
    fn is_news(&mut self, job: &Job) -> bool {
        let is_news = self.told.insert(ChangeCursor::of(job));
        while self.told.len() > REMEMBERED
            && let Some(oldest) = self.told.pop_first()
        {
            self.floor = self.floor.max(oldest.updated_at + Duration::from_millis(1));
        }
        is_news
    }

    /// What changed before `moment` was visible when the look began that has ended. A clock that was set back takes it
    /// back too: changes are told again rather than never.
    fn settle(&mut self, moment: Timestamp) {
        if moment + OVERLAP < self.floor {
            self.floor = Timestamp::default();
        }
        self.since = moment.max(self.floor);
        self.told.retain(|change| change.updated_at >= moment);
    }
}

/// A user's unfinished jobs, the newest of them, in the order of their last change.
pub async fn unfinished(world: &World, uid: &Uid) -> Result<VecDeque<Job>> {
    let unfinished: Vec<_> = Status::ALL.into_iter().filter(|status| !status.is_terminal()).collect();
    let mut jobs = world.store.jobs(uid, &unfinished, None, UNFINISHED, world.now()).await?;
    jobs.sort_by_key(ChangeCursor::of);
    Ok(jobs.into())
}
