//! The job's state machine, written a second time: plain numbers, and one arm for each command.

mod moves;

use domain::command::Command;
use domain::job::{Audio, DispatchState, Effect, WaitingFor};
use domain::{FileStatus, Job, Status, Timestamp};

use moves::{ATTEMPTS, GIVES_UP, GRACE, MARGIN, TASK_GRACE};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Due {
    Never,
    At(i64),
    Was(i64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct File {
    pub status: FileStatus,
    /// The number of segments that are done.
    pub done: u32,
    /// The failure is caused by the content itself.
    pub content: bool,
    /// The file is done, as far as it could be decoded.
    pub partly: bool,
}

/// The model's view of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub status: Status,
    pub fence: u64,
    pub owner: Option<domain::Nonce>,
    pub lease_end: Option<i64>,
    pub attempt: u32,
    pub dispatch: (DispatchState, u32),
    /// When the task is to be delivered, if not at once.
    pub later: Option<i64>,
    pub due: i64,
    pub waits: (Option<WaitingFor>, Option<i64>, Option<i64>),
    pub created: i64,
    pub ended: Option<i64>,
    pub expires: Option<i64>,
    pub push: Due,
    pub cleanup: Due,
    pub audio_gone: bool,
    pub retry_key: Option<domain::Nonce>,
    /// The upload session was not completed in time.
    pub expired: bool,
    pub work_at_claim: u32,
    /// The slot was taken before the slots were counted.
    pub provisional: bool,
    pub files: Vec<File>,
}

impl Model {
    /// The same view, read from a real job.
    pub fn of(job: &Job) -> Self {
        let effect = |effect| match effect {
            Effect::None => Due::Never,
            Effect::Due(at) => Due::At(at.millis()),
            Effect::Done(at) => Due::Was(at.millis()),
        };
        let file = |file: &domain::JobFile| File {
            status: file.status,
            done: file.counts.done(),
            content: file.is_no_audio(),
            partly: file.status == domain::FileStatus::Done && file.failure.is_some(),
        };
        let ms = |at: Option<Timestamp>| at.map(Timestamp::millis);
        Self {
            status: job.status,
            fence: job.lease.fence,
            owner: job.lease.owner,
            lease_end: ms(job.lease.until),
            attempt: job.attempt,
            dispatch: (job.dispatch.state, job.dispatch.number),
            later: ms(job.dispatch.not_before),
            due: ms(job.due_at).expect("a job without a due time is lost"),
            waits: (job.waiting_for, ms(job.waiting_since), ms(job.waiting_until)),
            created: job.created_at.millis(),
            ended: ms(job.completed_at),
            expires: ms(job.expires_at),
            push: effect(job.effects.push),
            cleanup: effect(job.effects.cleanup),
            audio_gone: job.audio == Audio::Gone,
            retry_key: job.retry_key,
            expired: job.error.as_ref().is_some_and(|error| error.code == domain::Code::UploadExpired),
            work_at_claim: job.done_at_claim,
            provisional: job.dispatch.slot_is_provisional,
            files: job.files.iter().map(file).collect(),
        }
    }

    /// Whether the command applies; the model is changed if it does.
    pub fn takes(&mut self, command: &Command, now: i64, slot_free: bool, changed: i64) -> bool {
        let takes = self.moves(command, now, slot_free, changed);
        self.provisional &= self.status == Status::Queued && self.dispatch.0 == DispatchState::Pending;
        takes
    }

    fn moves(&mut self, command: &Command, now: i64, slot_free: bool, changed: i64) -> bool {
        let queued = self.status == Status::Queued;
        let has_slot = self.dispatch.0 != DispatchState::Waiting;
        let parked = self.is_parked();
        let works = |fence: u64| self.status == Status::Processing && self.fence == fence;
        let over = |fence: u64| self.status.is_terminal() && self.fence == fence;
        match command {
            Command::Enqueued { number, .. } | Command::TaskGone { number } if *number != self.dispatch.1 => {
                return false;
            }
            Command::Enqueued { schedule, .. } if queued && has_slot => {
                self.dispatch.0 = DispatchState::Enqueued;
                self.due = schedule.map_or(now, Timestamp::millis).max(now) + TASK_GRACE;
            }
            Command::Enqueued { .. } => {}
            Command::Wake if [self.push, self.cleanup].iter().any(|due| matches!(due, Due::At(at) if now >= *at)) => {
                self.due = now;
            }
            Command::TaskGone { .. } if !queued || !has_slot => return false,
            Command::Wake if !queued || !(has_slot || parked) => return false,
            Command::TaskGone { .. } => self.dispatch_again(now + GRACE),
            Command::Wake if self.is_awake(now) => {}
            Command::Wake => self.due_at_once(now),
            Command::Promote if !queued || has_slot || parked => return false,
            Command::Promote => self.take_slot(true, now),
            Command::SettleSlot if !queued => return false,
            Command::SettleSlot if self.provisional && !slot_free => self.take_slot(false, now),
            Command::SettleSlot => {}
            Command::TakeSlot if !queued || (parked && now < self.due) => return false,
            Command::TakeSlot if !parked => {}
            Command::TakeSlot => self.return_to_line(slot_free, now),
            Command::CorrectClock => return self.correct(changed, now),
            Command::Claim { .. } if self.status == Status::Uploading => return false,
            Command::Claim { owner } => return self.claim(*owner, now),
            Command::Renew { fence } | Command::FileVerified { fence, .. } if works(*fence) => self.live_on(now),
            Command::FailFile { fence, index, failure } if works(*fence) => {
                self.fail(*index, failure.code == domain::Code::InvalidAudio);
                self.live_on(now);
            }
            Command::PutBack { fence, .. } if queued && self.fence == *fence => {}
            Command::PutBack { fence, cause, jitter, .. } if works(*fence) => self.put_back(cause, *jitter, now),
            Command::Postpone { until, waiting_for, .. } if queued => self.postpone(until.millis(), *waiting_for, now),
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
            Command::Recover if self.lease_end.is_some_and(|end| now < end + MARGIN) => return false,
            Command::WorkerGone { fence } if *fence != self.fence => return false,
            Command::Recover | Command::WorkerGone { .. } if self.status == Status::Processing => {
                self.fence += 1;
                if self.attempt >= ATTEMPTS { self.end(now) } else { self.requeue(now + GRACE) }
            }
            Command::GiveUpWaiting if queued && now >= self.created + GIVES_UP => self.end(now),
            Command::Cancel if self.status == Status::Cancelled => {}
            Command::Cancel if !self.status.is_terminal() => {
                self.fence += 1;
                self.close(Status::Cancelled, Due::Never, now, now);
                self.audio_gone = true;
            }
            // Upload addresses are not part of the model.
            Command::UploadsStarted { .. } | Command::UploadsReplaced { .. } => {
                return self.status == Status::Uploading;
            }
            Command::ExpireUpload if self.expired => {}
            Command::ExpireUpload if self.status == Status::Uploading && now >= self.due => {
                self.fence += 1;
                self.close(Status::Cancelled, Due::Never, now, now);
                (self.audio_gone, self.expired) = (true, true);
            }
            Command::Retry { key } => return self.retry(*key, slot_free, now),
            Command::Expire => return self.expires.is_some_and(|at| now >= at),
            _ => return false,
        }
        true
    }
}
