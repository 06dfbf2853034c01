//! Follows the recordings of a command until each of them is over, or nothing goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::JobId;
use engine::{Blocked, ChunkId, Shown, State};
use terminal::plain;
use tokio::time::{Instant, MissedTickBehavior};

use super::device::Device;
use super::progress::{Bar, Bytes, line, room};
use super::states::{Standing, blocked, standing};
use crate::api::Api;
use crate::clock;

/// How often the bar is drawn.
const EVERY: Duration = Duration::from_millis(200);
/// How often the recordings are looked at if the engine tells no change.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often the server is asked for jobs. The engine asks less often, because nobody waits for it.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// The most recordings that are read from the index at one look. Of more, a look reads those that follow the last one read.
const MOST_READ: usize = 500;
/// How often what happened is kept for reports.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// The most jobs that are asked for at a time.
const MOST_JOBS: usize = 3;
/// The command ends if for so long nothing was sent and nothing changed while the server cannot be reached.
const PATIENCE: Duration = Duration::from_secs(40);
/// A recording that is tried again later than this is not waited for.
const LONGEST_RETRY: u64 = 60;

/// How the watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every recording is over; with `--no-wait`, the server has every one.
    Over,
    /// Nothing goes on for now.
    Waiting(String),
    /// The server does not let the user.
    Refused(String),
    /// The user pressed Ctrl-C, or the system ends the program.
    Stopped,
}

pub struct Watch<'w> {
    pub device: &'w Device,
    pub api: &'w Api,
    /// The recordings that are not over.
    pub open: BTreeSet<ChunkId>,
    pub all: usize,
    pub bytes: Bytes,
    /// Whether the end of the jobs is waited for.
    pub waits: bool,
    /// What was last read of the recordings that are not over.
    pub read: Read,
}

/// Recordings as they were last read.
#[derive(Default)]
pub struct Read {
    known: BTreeMap<ChunkId, (Shown, Option<JobId>)>,
    /// The last one that was read.
    last: Option<ChunkId>,
}

impl Watch<'_> {
    /// Follows the recordings. The engine's driver runs meanwhile.
    pub async fn run(&mut self) -> Result<Ended, engine::Error> {
        let (bytes, changed) = (self.bytes.clone(), Arc::new(AtomicBool::new(true)));
        let _progress = self.device.engine.observe_progress(move |id, sent, _| bytes.sent(id, sent));
        let tell = Arc::clone(&changed);
        let _change = self.device.engine.observe_change(move || tell.store(true, Ordering::Relaxed));
        let (mut bar, mut ticks) = (Bar::new(), tokio::time::interval(EVERY));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moved = Moved::new(self.bytes.totals().0);
        let (mut asked, mut kept, mut looked, mut jobs) =
            (Instant::now(), Instant::now(), None::<Instant>, BTreeMap::new());
        let stop = crate::interrupt::asked();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => {
                    bar.clear();
                    return Ok(Ended::Stopped);
                }
                _ = ticks.tick() => {}
            }
            moved.note(self.bytes.totals().0, self.open.len());
            let is_changed = changed.swap(false, Ordering::Relaxed);
            if is_changed || looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                (jobs, looked) = (self.look()?, Some(Instant::now()));
                if self.open.is_empty() {
                    bar.clear();
                    return Ok(Ended::Over);
                }
                if let Some(ended) = self.blocked(&moved)? {
                    bar.clear();
                    return Ok(ended);
                }
            }
            bar.show(self.line(&jobs));
            if kept.elapsed() >= KEEP_EVERY {
                self.device.keep_events();
                kept = Instant::now();
            }
            if !jobs.is_empty() && asked.elapsed() >= ASK_EVERY {
                tokio::select! {
                    () = &mut stop => {
                        bar.clear();
                        return Ok(Ended::Stopped);
                    }
                    asked = self.ask(&jobs) => asked?,
                }
                asked = Instant::now();
            }
        }
    }

    /// Takes out what is over. Returns the jobs that the server works on, with their progress.
    fn look(&mut self) -> Result<BTreeMap<JobId, (u64, u64)>, engine::Error> {
        for id in next_ids(&self.open, self.read.last, MOST_READ) {
            self.read.last = Some(id);
            let Some((chunk, shown)) = self.device.engine.recording(id)? else {
                self.over(id);
                continue;
            };
            let is_there = chunk.transfer.state == State::Uploaded;
            if is_there || standing(&shown) == Standing::Done {
                self.bytes.whole(id);
            }
            if standing(&shown) != Standing::Open || is_there && !self.waits {
                self.over(id);
            } else {
                self.read.known.insert(id, (shown, chunk.transfer.job_id));
            }
        }
        let known = self.read.known.values();
        Ok(known
            .filter_map(|(shown, job)| match shown {
                Shown::Processing { done, total } => Some(((*job)?, (*done, *total))),
                _ => None,
            })
            .collect())
    }

    fn over(&mut self, id: ChunkId) {
        self.open.remove(&id);
        self.read.known.remove(&id);
    }

    /// Asks the server for jobs. One that is over is told to the engine, which asks for itself what became of each
    /// file.
    async fn ask(&self, jobs: &BTreeMap<JobId, (u64, u64)>) -> Result<(), engine::Error> {
        for job in jobs.keys().take(MOST_JOBS) {
            ask_for(self.api, self.device, *job).await?;
        }
        Ok(())
    }

    fn blocked(&self, moved: &Moved) -> Result<Option<Ended>, engine::Error> {
        let (status, now) = (self.device.engine.status()?, clock::now());
        // What the server has already goes on, whatever keeps the others from being sent.
        let mut waits_for_server = false;
        let mut soonest_retry = None::<(u64, String)>;
        for id in &self.open {
            match self.read.known.get(id) {
                Some((Shown::Processing { .. }, _)) => waits_for_server = true,
                Some((Shown::Retrying { seconds, error }, _)) => {
                    if soonest_retry.as_ref().is_none_or(|(soonest, _)| seconds < soonest) {
                        soonest_retry = Some((*seconds, plain(&error.message().english())));
                    }
                }
                _ => soonest_retry = Some((0, String::new())),
            }
        }
        if waits_for_server && !moved.is_stuck() {
            return Ok(None);
        }
        Ok(match status.blocked {
            Some(at @ (Blocked::SignedOut | Blocked::SignInNeeded | Blocked::Forbidden)) => {
                Some(Ended::Refused(blocked(at, now)))
            }
            Some(at @ Blocked::Unreachable { .. }) => moved.is_stuck().then(|| Ended::Waiting(blocked(at, now))),
            Some(at) => Some(Ended::Waiting(blocked(at, now))),
            None => soonest_retry
                .filter(|(seconds, _)| *seconds > LONGEST_RETRY)
                .map(|(seconds, why)| Ended::Waiting(later(seconds, &why))),
        })
    }

    fn line(&self, jobs: &BTreeMap<JobId, (u64, u64)>) -> String {
        let (sent, all) = self.bytes.totals();
        let (done, total) = jobs.values().fold((0, 0), |(done, total), (one, of)| (done + one, total + of));
        let words = match (self.all, total) {
            (_, total) if sent == all && total > 0 => format!("transcribing {done}/{total}"),
            _ if sent == all => "transcribing".to_owned(),
            (1, _) => String::new(),
            (count, _) => format!("{}/{count} files", count - self.open.len().min(count)),
        };
        line(sent, all, &words, room())
    }
}

/// So many of the ids, from the one after the last on, and then from the first on.
fn next_ids(ids: &BTreeSet<ChunkId>, last: Option<ChunkId>, count: usize) -> Vec<ChunkId> {
    let after = last.map_or(Bound::Unbounded, Bound::Excluded);
    let until = last.map_or(Bound::Excluded(ChunkId(i64::MIN)), Bound::Included);
    ids.range((after, Bound::Unbounded)).chain(ids.range((Bound::Unbounded, until))).take(count).copied().collect()
}

/// Asks the server for a job, and tells the engine if it is over.
pub async fn ask_for(api: &Api, device: &Device, job: JobId) -> Result<(), engine::Error> {
    // An error is for the engine to judge, when it asks.
    let Ok(body) = api.job(&job.to_string()).await else { return Ok(()) };
    if !body["completed_at"].is_null() || ["failed", "cancelled"].iter().any(|status| body["status"] == **status) {
        device.engine.push_received(Some(job))?;
    }
    Ok(())
}

fn later(seconds: u64, why: &str) -> String {
    format!("{why}; the next try is in {}", crate::times::span(Duration::from_secs(seconds)))
}

/// When something last went on.
struct Moved {
    at: Instant,
    sent: u64,
    open: usize,
}

impl Moved {
    fn new(sent: u64) -> Self {
        Self { at: Instant::now(), sent, open: usize::MAX }
    }

    fn note(&mut self, sent: u64, open: usize) {
        if (sent, open) != (self.sent, self.open) {
            *self = Self { at: Instant::now(), sent, open };
        }
    }

    fn is_stuck(&self) -> bool {
        self.at.elapsed() >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_is_read_within_a_round_of_looks_that_each_read_few() {
        let ids: BTreeSet<_> = (0..25).map(ChunkId).collect();
        let (mut last, mut read) = (None, Vec::new());
        for _ in 0..3 {
            let page = next_ids(&ids, last, 10);
            assert_eq!(page.len(), 10);
            last = page.last().copied();
            read.extend(page);
        }
        assert_eq!(read.iter().copied().collect::<BTreeSet<_>>(), ids);
        assert_eq!(read[25..], read[..5], "then from the first on");
        assert_eq!(next_ids(&ids, Some(ChunkId(7)), 99).len(), 25, "none twice");
        assert_eq!(next_ids(&BTreeSet::new(), last, 9), []);
    }
}
