//! The job's state machine, written down a second time: plain numbers, one arm for each command.

use domain::command::{Command, PutBack};
use domain::job::{Audio, DispatchState, Effect, WaitingFor};
use domain::{FileStatus, Job, Status, Timestamp};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

const LEASE: i64 = MINUTE;
const GRACE: i64 = 30 * SECOND;
const TASK_GRACE: i64 = 10 * MINUTE;
const BACKOFF: (i64, i64) = (10 * SECOND, 30 * MINUTE);
const ATTEMPTS: u32 = 5;
const LONGEST_WAIT: i64 = 7 * DAY;
const RETENTION: i64 = 7 * DAY;
const LIFECYCLE: i64 = 30 * DAY;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Due {
    Never,
    At(i64),
    Was(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct File {
    pub status: FileStatus,
    /// Segments that are done.
    pub done: u32,
    /// The failure is the content's own.
    pub content: bool,
}

/// What the model says of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub status: Status,
    pub fence: u64,
    pub owner: Option<domain::Nonce>,
    pub lease_end: Option<i64>,
    pub attempt: u32,
    pub dispatch: (DispatchState, u32),
    pub due: i64,
    pub waits: (Option<WaitingFor>, Option<i64>, Option<i64>),
    pub created: i64,
    pub ended: Option<i64>,
    pub expires: Option<i64>,
    pub push: Due,
    pub cleanup: Due,
    pub audio_gone: bool,
    pub retry_key: Option<domain::Nonce>,
    pub work_at_claim: u32,
    pub files: Vec<File>,
}

impl Model {
    /// The same, read from a real job.
    pub fn of(job: &Job) -> Self {
        let effect = |effect| match effect {
            Effect::None => Due::Never,
            Effect::Due(at) => Due::At(at.millis()),
            Effect::Done(at) => Due::Was(at.millis()),
        };
        let file = |file: &domain::JobFile| File {
            status: file.status,
            done: file.counts.done(),
            content: file.is_content_failure(),
        };
        let ms = |at: Option<Timestamp>| at.map(Timestamp::millis);
        Self {
            status: job.status,
            fence: job.lease.fence,
            owner: job.lease.owner,
            lease_end: ms(job.lease.until),
            attempt: job.attempt,
            dispatch: (job.dispatch.state, job.dispatch.number),
            due: ms(job.due_at).expect("a job without a due time is lost"),
            waits: (job.waiting_for, ms(job.waiting_since), ms(job.waiting_until)),
            created: job.created_at.millis(),
            ended: ms(job.completed_at),
            expires: ms(job.expires_at),
            push: effect(job.effects.push),
            cleanup: effect(job.effects.cleanup),
            audio_gone: job.audio == Audio::Gone,
            retry_key: job.retry_key,
            work_at_claim: job.done_at_claim,
            files: job.files.iter().map(file).collect(),
        }
    }

    /// Whether the command applies; the model is changed if it does.
    pub fn takes(&mut self, command: &Command, now: i64, turn_free: bool) -> bool {
        let queued = self.status == Status::Queued;
        let has_turn = self.dispatch.0 != DispatchState::Waiting;
        let works = |fence: u64| self.status == Status::Processing && self.fence == fence;
        let over = |fence: u64| self.status.is_terminal() && self.fence == fence;
        match command {
            Command::Enqueued { number, .. } | Command::TaskGone { number } if *number != self.dispatch.1 => {
                return false;
            }
            Command::Enqueued { schedule, .. } if queued && has_turn => {
                self.dispatch.0 = DispatchState::Enqueued;
                self.due = schedule.map_or(now, Timestamp::millis).max(now) + TASK_GRACE;
            }
            Command::Enqueued { .. } => {}
            Command::TaskGone { .. } | Command::Wake if !queued || !has_turn => return false,
            Command::TaskGone { .. } => self.dispatch_again(now + GRACE),
            Command::Wake => {
                self.waits.2 = None;
                self.dispatch_again(now);
            }
            Command::Promote if !queued || has_turn => return false,
            Command::Promote => self.take_turn(true, now),
            Command::Claim { owner } => return self.claim(*owner, now),
            Command::Renew { fence } if works(*fence) => self.live_on(now),
            Command::FailFile { fence, index, failure } if works(*fence) => {
                self.fail(*index, failure.blame == domain::Blame::Content);
                self.live_on(now);
            }
            Command::PutBack { fence, .. } if queued && self.fence == *fence => {}
            Command::PutBack { fence, cause, jitter } if works(*fence) => self.put_back(cause, *jitter, now),
            Command::Postpone { until, waiting_for } if queued => self.postpone(until.millis(), *waiting_for, now),
            Command::Finish { fence } if over(*fence) && self.status != Status::Cancelled => {}
            Command::Finish { fence } if works(*fence) && self.files.iter().all(|file| file.status.is_settled()) => {
                self.end(now)
            }
            Command::PushDone { fence } | Command::PushLater { fence, .. } if over(*fence) => self.pushed(command, now),
            Command::AudioGone { fence } if over(*fence) => self.audio_gone = true,
            Command::CleanedUp { fence } if over(*fence) => {
                if let Due::At(_) = self.cleanup {
                    self.cleanup = Due::Was(now);
                    self.schedule(now);
                }
            }
            Command::Recover if self.status == Status::Processing && self.lease_end.is_none_or(|end| now >= end) => {
                self.fence += 1;
                if self.attempt >= ATTEMPTS { self.end(now) } else { self.requeue(now + GRACE) }
            }
            Command::GiveUpWaiting if queued && now >= self.created + LIFECYCLE - 2 * DAY => self.end(now),
            Command::Cancel if self.status == Status::Cancelled => {}
            Command::Cancel if !self.status.is_terminal() => {
                self.fence += 1;
                self.close(Status::Cancelled, Due::Never, now, now);
            }
            Command::Retry { key } => return self.retry(*key, turn_free, now),
            Command::Expire => return self.expires.is_some_and(|at| now >= at),
            _ => return false,
        }
        true
    }

    fn work(&self) -> u32 {
        self.files.iter().map(|file| file.done + u32::from(file.status != FileStatus::Queued)).sum()
    }

    fn live_on(&mut self, now: i64) {
        self.lease_end = Some(now + LEASE);
        self.due = now + LEASE;
    }

    fn dispatch_again(&mut self, due: i64) {
        self.dispatch = (DispatchState::Pending, self.dispatch.1 + 1);
        self.due = due;
    }

    fn requeue(&mut self, due: i64) {
        self.status = Status::Queued;
        (self.owner, self.lease_end) = (None, None);
        self.dispatch_again(due);
    }

    fn take_turn(&mut self, free: bool, now: i64) {
        if free {
            self.dispatch.0 = DispatchState::Pending;
            self.waits.0 = None;
            self.due = now + GRACE;
        } else {
            self.dispatch.0 = DispatchState::Waiting;
            self.waits.0 = Some(WaitingFor::Turn);
            self.due = self.created + LIFECYCLE - 2 * DAY;
        }
    }

    fn claim(&mut self, owner: domain::Nonce, now: i64) -> bool {
        let working = self.status == Status::Processing;
        if working && self.owner == Some(owner) {
            return true;
        }
        if self.status.is_terminal() || (working && self.lease_end.is_some_and(|end| now < end)) {
            return false;
        }
        self.fence += 1;
        if self.attempt >= ATTEMPTS {
            self.end(now);
            return true;
        }
        self.status = Status::Processing;
        self.attempt += 1;
        self.owner = Some(owner);
        self.dispatch.0 = DispatchState::Enqueued;
        (self.waits.0, self.waits.2) = (None, None);
        self.work_at_claim = self.work();
        self.live_on(now);
        true
    }

    fn fail(&mut self, index: usize, content: bool) {
        if let Some(file) = self.files.get_mut(index).filter(|file| !file.status.is_settled()) {
            file.status = FileStatus::Failed;
            file.content = content;
        }
    }

    fn put_back(&mut self, cause: &PutBack, jitter: f64, now: i64) {
        let progressed = self.work() > self.work_at_claim;
        let waiting_for = match cause {
            PutBack::Engine { .. } => Some(WaitingFor::Engine),
            PutBack::Budget { .. } => Some(WaitingFor::Budget),
            _ => None,
        };
        let counts = matches!(cause, PutBack::Fault { .. } | PutBack::Deadline) && !progressed;
        let waited = self.waits.1.map_or(0, |since| (now - since).max(0));
        let too_long = waited >= LONGEST_WAIT || now >= self.created + LIFECYCLE - 2 * DAY;
        if (counts && self.attempt >= ATTEMPTS) || (waiting_for.is_some() && too_long && !progressed) {
            return self.end(now);
        }
        let spread = |wait: i64| (wait as f64 * (0.5 + jitter / 2.0)) as i64;
        let asked = |wait: &Option<std::time::Duration>| wait.map_or(0, |wait| wait.as_millis() as i64);
        let (least, most) = BACKOFF;
        let due = match cause {
            PutBack::Deadline | PutBack::Shutdown => now,
            PutBack::Budget { until } => until.millis().max(now),
            PutBack::Fault { retry_after, .. } => {
                let doubled = (least << self.attempt.saturating_sub(1)).min(most);
                now + spread(doubled).max(asked(retry_after)).min(LONGEST_WAIT)
            }
            PutBack::Engine { retry_after } => {
                now + spread(waited.clamp(least, most)).max(asked(retry_after)).min(LONGEST_WAIT)
            }
        };
        if !counts {
            self.attempt -= 1;
        }
        if progressed {
            self.waits.1 = None;
        }
        self.requeue(due);
        self.waits = match waiting_for {
            Some(_) => (waiting_for, self.waits.1.or(Some(now)), Some(due)),
            None => (None, self.waits.1, None),
        };
    }

    fn postpone(&mut self, until: i64, waiting_for: WaitingFor, now: i64) {
        if self.waits.0 == Some(waiting_for) && self.waits.2 == Some(until) {
            return;
        }
        if self.waits.1.is_some_and(|since| now >= since + LONGEST_WAIT) {
            return self.end(now);
        }
        self.waits = (Some(waiting_for), self.waits.1.or(Some(now)), Some(until));
        self.dispatch_again(until);
    }

    fn end(&mut self, now: i64) {
        (0..self.files.len()).for_each(|index| self.fail(index, false));
        let good = self.files.iter().all(|file| file.status.is_good());
        let bad = self.files.iter().all(|file| file.status == FileStatus::Failed && file.done == 0);
        let status = match (good, bad) {
            (true, _) => Status::Completed,
            (_, true) => Status::Failed,
            _ => Status::PartialFailure,
        };
        let at_once = good || self.files.iter().all(|file| file.status == FileStatus::Failed && file.content);
        self.close(status, Due::At(now), if at_once { now } else { now + RETENTION }, now);
    }

    fn close(&mut self, status: Status, push: Due, cleanup: i64, now: i64) {
        self.status = status;
        self.ended = Some(now);
        (self.owner, self.lease_end) = (None, None);
        self.waits = (None, None, None);
        self.push = push;
        self.cleanup = if self.audio_gone { Due::Never } else { Due::At(cleanup) };
        self.schedule(now);
    }

    fn schedule(&mut self, now: i64) {
        let ended = self.ended.unwrap_or(now);
        self.expires = match self.cleanup {
            Due::At(_) => None,
            Due::Was(at) => Some((ended + RETENTION).max(at + DAY)),
            Due::Never => Some(ended + RETENTION),
        };
        let open =
            [self.push, self.cleanup].into_iter().filter_map(|due| if let Due::At(at) = due { Some(at) } else { None });
        self.due = open.min().map(|at| at.max(now + GRACE)).or(self.expires).unwrap_or(i64::MAX);
    }

    fn pushed(&mut self, command: &Command, now: i64) {
        if !matches!(self.push, Due::At(_)) {
            return;
        }
        self.push = match command {
            Command::PushLater { at, .. } if now < self.ended.unwrap_or(now) + DAY => Due::At(at.millis()),
            _ => Due::Was(now),
        };
        self.schedule(now);
    }

    fn retry(&mut self, key: domain::Nonce, turn_free: bool, now: i64) -> bool {
        if self.retry_key == Some(key) {
            return true;
        }
        let fits = now + LONGEST_WAIT + RETENTION < self.created + LIFECYCLE;
        if !matches!(self.status, Status::Failed | Status::PartialFailure) || self.audio_gone || !fits {
            return false;
        }
        for file in self.files.iter_mut().filter(|file| file.status == FileStatus::Failed) {
            (file.status, file.content) = (FileStatus::Queued, false);
        }
        self.status = Status::Queued;
        self.attempt = 0;
        self.fence += 1;
        self.dispatch.1 += 1;
        (self.ended, self.expires, self.push, self.cleanup) = (None, None, Due::Never, Due::Never);
        self.waits = (None, None, None);
        self.retry_key = Some(key);
        self.take_turn(turn_free, now);
        true
    }
}
