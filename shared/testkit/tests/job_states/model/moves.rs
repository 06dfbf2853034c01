//! The effects of the commands on the model's numbers.

use domain::command::{Command, PutBack};
use domain::job::{DispatchState, WaitingFor};
use domain::{FileStatus, Status};

use super::{Due, Model};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 24 * 60 * MINUTE;

const LEASE: i64 = MINUTE;
/// How long after the end of its lease a job stays with its worker.
pub(super) const MARGIN: i64 = LEASE;
pub(super) const GRACE: i64 = 30 * SECOND;
pub(super) const TASK_GRACE: i64 = 10 * MINUTE;
const BACKOFF: (i64, i64) = (10 * SECOND, 30 * MINUTE);
pub(super) const ATTEMPTS: u32 = 5;
const LONGEST_WAIT: i64 = 7 * DAY;
const RETENTION: i64 = 7 * DAY;
/// The largest difference between two clocks that is tolerated.
const SLACK: i64 = 10 * MINUTE;
const LIFECYCLE: i64 = 30 * DAY;
/// When a job stops waiting: two days before the storage lifecycle deletes its audio.
pub(super) const GIVES_UP: i64 = LIFECYCLE - 2 * DAY;

impl Model {
    pub(super) fn work(&self) -> u32 {
        self.files.iter().map(|file| file.done + u32::from(file.status.is_settled())).sum()
    }

    pub(super) fn live_on(&mut self, now: i64) {
        self.lease_end = Some(now + LEASE);
        self.due = now + LEASE + MARGIN;
    }

    pub(super) fn dispatch_again(&mut self, due: i64) {
        self.dispatch = (DispatchState::Pending, self.dispatch.1 + 1);
        self.due = due;
    }

    pub(super) fn requeue(&mut self, due: i64) {
        self.status = Status::Queued;
        (self.owner, self.lease_end) = (None, None);
        self.later = None;
        self.dispatch_again(due);
    }

    pub(super) fn take_slot(&mut self, free: bool, now: i64) {
        self.later = None;
        if free {
            self.dispatch.0 = DispatchState::Pending;
            self.waits.0 = None;
            self.due = now + GRACE;
        } else {
            self.dispatch.0 = DispatchState::Waiting;
            self.waits.0 = Some(WaitingFor::Turn);
            self.due = self.created + GIVES_UP;
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        let waits = !matches!(self.waits.0, None | Some(WaitingFor::Turn));
        self.status == Status::Queued && self.dispatch.0 == DispatchState::Waiting && waits
    }

    pub(super) fn is_awake(&self, now: i64) -> bool {
        let comes = self.is_parked() || self.dispatch.0 == DispatchState::Pending;
        comes && self.later.is_none() && now >= self.due
    }

    pub(super) fn due_at_once(&mut self, now: i64) {
        let state = if self.is_parked() { DispatchState::Waiting } else { DispatchState::Pending };
        (self.waits.2, self.later) = (None, None);
        self.dispatch_again(now);
        self.dispatch.0 = state;
    }

    pub(super) fn return_to_line(&mut self, slot_free: bool, now: i64) {
        self.dispatch.1 += 1;
        self.waits.2 = None;
        if !slot_free {
            self.waits.1 = None;
        }
        self.take_slot(slot_free, now);
    }

    /// Corrects what was written by a clock that ran ahead; `changed` is when the job changed last.
    pub(super) fn correct(&mut self, changed: i64, now: i64) -> bool {
        let in_line = self.status == Status::Queued && self.dispatch.0 == DispatchState::Waiting && !self.is_parked();
        let longest = match self.status {
            Status::Queued if in_line => i64::MAX / 2,
            Status::Queued => LONGEST_WAIT + TASK_GRACE,
            Status::Uploading => LONGEST_WAIT,
            Status::Processing => LEASE + MARGIN,
            _ => RETENTION + DAY,
        };
        if changed <= now + SLACK && self.due <= (now + SLACK).saturating_add(longest) {
            return false;
        }
        self.waits.1 = self.waits.1.map(|at| at.min(now));
        self.ended = self.ended.map(|at| at.min(now));
        let lease_is_from_clock_ahead = self.lease_end.is_none_or(|end| end > now + LEASE + SLACK);
        match self.status {
            Status::Uploading => self.due = self.due.min(now + LONGEST_WAIT),
            Status::Queued if in_line => {}
            Status::Queued => self.due_at_once(now),
            Status::Processing if lease_is_from_clock_ahead => (self.lease_end, self.due) = (Some(now - MARGIN), now),
            Status::Processing => {}
            _ => {
                let in_time = |due, longest| match due {
                    Due::Never => Due::Never,
                    Due::At(at) => Due::At(i64::min(at, now + longest)),
                    Due::Was(at) => Due::Was(i64::min(at, now)),
                };
                (self.push, self.cleanup) = (in_time(self.push, DAY), in_time(self.cleanup, RETENTION));
                self.schedule(now);
            }
        }
        true
    }

    pub(super) fn claim(&mut self, owner: domain::Nonce, now: i64) -> bool {
        let working = self.status == Status::Processing;
        if working && self.owner == Some(owner) {
            return true;
        }
        if self.status.is_terminal() || (working && self.lease_end.is_some_and(|end| now < end + MARGIN)) {
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
        (self.dispatch.0, self.later) = (DispatchState::Enqueued, None);
        (self.waits.0, self.waits.2) = (None, None);
        self.work_at_claim = self.work();
        self.live_on(now);
        true
    }

    pub(super) fn fail(&mut self, index: usize, content: bool) {
        if let Some(file) = self.files.get_mut(index).filter(|file| !file.status.is_settled()) {
            file.status = FileStatus::Failed;
            file.content = content;
        }
    }

    pub(super) fn put_back(&mut self, cause: &PutBack, jitter: f64, now: i64) {
        let progressed = self.work() > self.work_at_claim;
        let waiting_for = match cause {
            PutBack::Engine { .. } | PutBack::Language => Some(WaitingFor::Engine),
            PutBack::Budget { .. } => Some(WaitingFor::Budget),
            PutBack::Storage { .. } => Some(WaitingFor::Storage),
            _ => None,
        };
        let counts = matches!(cause, PutBack::Fault { .. } | PutBack::Deadline) && !progressed;
        let waited = self.waits.1.map_or(0, |since| (now - since).max(0));
        let too_long = waited >= LONGEST_WAIT || now >= self.created + GIVES_UP;
        if (counts && self.attempt >= ATTEMPTS) || (waiting_for.is_some() && too_long && !progressed) {
            return self.end(now);
        }
        let spread = |wait: i64| (wait as f64 * (0.5 + jitter / 2.0)) as i64;
        let asked = |wait: &Option<std::time::Duration>| wait.map_or(0, |wait| wait.as_millis() as i64);
        let (least, most) = BACKOFF;
        let due = match cause {
            PutBack::Deadline | PutBack::Shutdown | PutBack::YieldToOthers => now,
            PutBack::Budget { until } => until.millis().clamp(now, now + LONGEST_WAIT),
            PutBack::Language => now + spread(waited.clamp(least, most)),
            PutBack::Fault { retry_after, .. } => {
                let doubled = (least << self.attempt.saturating_sub(1)).min(most);
                now + spread(doubled).max(asked(retry_after)).min(LONGEST_WAIT)
            }
            PutBack::Engine { retry_after } | PutBack::Storage { retry_after } => {
                now + spread(waited.clamp(least, most)).max(asked(retry_after)).min(LONGEST_WAIT)
            }
        };
        if !counts {
            self.attempt -= 1;
        }
        if progressed {
            self.waits.1 = None;
        }
        let due = match waiting_for {
            Some(_) => due.min(self.waits.1.unwrap_or(now) + LONGEST_WAIT),
            None => due,
        };
        self.requeue(due);
        self.later = Some(due);
        self.waits = match waiting_for {
            Some(_) => {
                self.dispatch.0 = DispatchState::Waiting;
                (waiting_for, self.waits.1.or(Some(now)), Some(due))
            }
            None => (None, self.waits.1, None),
        };
    }

    pub(super) fn postpone(&mut self, until: i64, waiting_for: WaitingFor, now: i64) {
        let until = until.min(self.waits.1.unwrap_or(now) + LONGEST_WAIT).min(self.created + GIVES_UP);
        let again = self.waits.0 == Some(waiting_for) && self.waits.2 == Some(until);
        if again && self.dispatch.0 == DispatchState::Waiting {
            return;
        }
        if self.waits.1.is_some_and(|since| now >= since + LONGEST_WAIT) {
            return self.end(now);
        }
        self.waits = (Some(waiting_for), self.waits.1.or(Some(now)), Some(until));
        self.later = Some(until);
        self.dispatch_again(until);
        self.dispatch.0 = DispatchState::Waiting;
    }

    pub(super) fn end(&mut self, now: i64) {
        (0..self.files.len()).for_each(|index| self.fail(index, false));
        let good = self.files.iter().all(|file| file.status.is_good());
        let whole = good && !self.files.iter().any(|file| file.partly);
        let bad = self.files.iter().all(|file| file.status == FileStatus::Failed && file.done == 0);
        let status = match (whole, bad) {
            (true, _) => Status::Completed,
            (_, true) => Status::Failed,
            _ => Status::PartialFailure,
        };
        let at_once = good || self.files.iter().all(|file| file.status == FileStatus::Failed && file.content);
        self.close(status, Due::At(now), if at_once { now } else { now + RETENTION }, now);
        self.audio_gone |= at_once;
    }

    pub(super) fn close(&mut self, status: Status, push: Due, cleanup: i64, now: i64) {
        self.status = status;
        self.ended = Some(now);
        (self.owner, self.lease_end) = (None, None);
        self.waits = (None, None, None);
        self.push = push;
        self.cleanup = if self.audio_gone { Due::Never } else { Due::At(cleanup) };
        self.schedule(now);
    }

    pub(super) fn schedule(&mut self, now: i64) {
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

    pub(super) fn pushed(&mut self, command: &Command, now: i64) {
        if !matches!(self.push, Due::At(_)) {
            return;
        }
        self.push = match command {
            Command::PushLater { at, .. } if now < self.ended.unwrap_or(now) + DAY => Due::At(at.millis()),
            _ => Due::Was(now),
        };
        self.schedule(now);
    }

    pub(super) fn retry(&mut self, key: domain::Nonce, slot_free: bool, now: i64) -> bool {
        if self.retry_key == Some(key) {
            return true;
        }
        let fits = now + LONGEST_WAIT + RETENTION < self.created + LIFECYCLE;
        let good = self.files.iter().all(|file| file.status.is_good());
        if !matches!(self.status, Status::Failed | Status::PartialFailure) || good || self.audio_gone || !fits {
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
        self.take_slot(slot_free, now);
        true
    }
}
