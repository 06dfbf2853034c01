//! The state machine, command by command: which attempts count, when a job is delivered again, and what a repeated command
//! answers.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::accept::{Batch, Decision, Known, StagedFile, decide as decide_batch};
use crate::code::{Blame, Code};
use crate::command::PutBack;
use crate::failure::Failure;
use crate::id::{JobId, Nonce, Sha256Hex, Uid};
use crate::job::{Audio, DispatchState, Effect, WaitingFor};
use crate::job_file::FileStatus;
use crate::plan::Counts;
use crate::repair::{Repair, needed_repair};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

struct Case {
    job: Job,
    now: Timestamp,
    rules: Rules,
}

impl Case {
    /// A queued job with one file that holds a slot.
    fn queued() -> Self {
        let file = StagedFile {
            name: "audio_x_pcm16_16000_1_fs160_1800000000.bin".into(),
            blob: "uploads/u/j/0-x".into(),
            size: 1,
            sha256: Sha256Hex([1; 32]),
            crc32c: 1,
            stream: crate::name::parse("audio_x_pcm16_16000_1_fs160_1800000000.bin").unwrap().stream,
            captured_at: Some(START),
            silent: None,
        };
        let batch = Batch {
            job_id: JobId(Uuid::from_u128(1)),
            uid: Uid::new("u").unwrap(),
            files: vec![file],
            conversation_id: None,
            language: None,
            traceparent: None,
        };
        let rules = Rules::default();
        let known = Known { recordings: vec![None], ..Known::default() };
        let ctx = Context { now: START, rules: &rules, slot_free: true, slot_is_provisional: false };
        let Decision::Create { job, .. } = decide_batch(&batch, known, ctx) else { panic!("not created") };
        Self { job, now: START, rules }
    }

    fn claimed() -> Self {
        let mut case = Self::queued();
        case.claim(1).unwrap();
        case
    }

    fn apply(&mut self, command: &Command) -> Result<Vec<Action>, Refusal> {
        let ctx = Context { now: self.now, rules: &self.rules, slot_free: true, slot_is_provisional: false };
        let step = apply(&self.job, command, ctx)?;
        self.job = step.job;
        Ok(step.actions)
    }

    fn claim(&mut self, nonce: u128) -> Result<Vec<Action>, Refusal> {
        self.apply(&Command::Claim { owner: Nonce(Uuid::from_u128(nonce)) })
    }

    fn put_back(&mut self, cause: PutBack) -> Result<Vec<Action>, Refusal> {
        let fence = self.job.lease.fence;
        self.apply(&Command::PutBack { fence, cause, jitter: 1.0, explanation: None })
    }

    fn settle_file(&mut self) {
        self.job.files[0].status = FileStatus::Done;
        self.job.files[0].counts = Counts { segments: 1, placed: 1, empty: 0, placed_ms: 900 };
    }

    fn finished() -> Self {
        let mut case = Self::claimed();
        case.settle_file();
        let fence = case.job.lease.fence;
        case.apply(&Command::Finish { fence }).unwrap();
        case
    }

    fn failed() -> Self {
        let mut case = Self::claimed();
        let failure = Failure::of(Code::TranscriptionFailed);
        let fence = case.job.lease.fence;
        case.apply(&Command::FailFile { fence, index: 0, failure }).unwrap();
        case.apply(&Command::Finish { fence }).unwrap();
        case
    }
}

fn fault() -> PutBack {
    PutBack::Fault { code: Code::Internal, retry_after: None }
}

#[test]
fn job_is_held_for_exactly_one_more_lease_after_its_lease() {
    for (ms, held) in [(60_000, true), (119_999, true), (120_000, false), (120_001, false)] {
        let mut case = Case::claimed();
        case.now = START + ms * MS;
        assert_eq!(case.claim(2).is_err(), held, "at {ms} ms");
        assert_eq!(case.job.lease.fence, if held { 1 } else { 2 });
    }
}

#[test]
fn repeated_claim_of_the_same_owner_changes_nothing() {
    let mut case = Case::claimed();
    let before = case.job.clone();
    case.now = START + SECOND;
    case.claim(1).unwrap();
    assert_eq!(case.job, before);
}

#[test]
fn every_claim_counts_and_losing_the_last_worker_fails_the_job() {
    let mut case = Case::queued();
    for attempt in 1..=5 {
        case.claim(attempt).unwrap();
        assert_eq!(case.job.attempt, attempt as u32);
        case.now = case.now + 120 * SECOND;
    }
    case.claim(6).unwrap();
    assert_eq!(case.job.status, Status::Failed);
    let error = case.job.error.as_ref().unwrap();
    assert_eq!((error.code, error.blame, error.retryable), (Code::WorkerLost, Blame::Service, true));
    assert_eq!(case.job.audio, Audio::Staged, "kept for a retry");
}

#[test]
fn faults_count_as_attempts_back_off_and_finally_end_the_job() {
    let mut case = Case::queued();
    for (attempt, seconds) in [(1, 10), (2, 20), (3, 40), (4, 80)] {
        case.claim(attempt).unwrap();
        assert_eq!(case.put_back(fault()).unwrap(), [Action::Enqueue]);
        assert_eq!(case.job.due_at, Some(case.now + seconds * SECOND), "after attempt {attempt}");
        assert_eq!(case.job.dispatch.not_before, case.job.due_at);
        case.now = case.job.due_at.unwrap();
    }
    case.claim(5).unwrap();
    let actions = case.put_back(PutBack::Fault { code: Code::TranscriptionFailed, retry_after: None }).unwrap();
    assert_eq!(actions, [Action::PromoteNext, Action::RunEffects]);
    assert_eq!(case.job.error.as_ref().unwrap().code, Code::TranscriptionFailed);
}

#[test]
fn shutdown_engine_budget_and_storage_do_not_count_as_attempts() {
    let engine = PutBack::Engine { retry_after: Some(300 * SECOND) };
    let budget = PutBack::Budget { until: START + 3600 * SECOND };
    for (cause, seconds, waiting_for) in [
        (PutBack::Shutdown, 0, None),
        (engine, 300, Some(WaitingFor::Engine)),
        (budget, 3600, Some(WaitingFor::Budget)),
        (PutBack::Storage { retry_after: None }, 10, Some(WaitingFor::Storage)),
        (PutBack::Storage { retry_after: Some(300 * SECOND) }, 300, Some(WaitingFor::Storage)),
    ] {
        let mut case = Case::claimed();
        case.put_back(cause.clone()).unwrap();
        assert_eq!((case.job.status, case.job.attempt), (Status::Queued, 0), "{cause:?}");
        assert_eq!(case.job.due_at, Some(START + seconds * SECOND), "{cause:?}");
        assert_eq!(case.job.waiting_for, waiting_for);
    }
}

#[test]
fn fault_or_deadline_after_progress_does_not_count_as_attempt() {
    for cause in [fault(), PutBack::Deadline] {
        let mut stuck = Case::claimed();
        stuck.put_back(cause.clone()).unwrap();
        assert_eq!(stuck.job.attempt, 1, "{cause:?} without progress");
        let mut moving = Case::claimed();
        moving.settle_file();
        moving.put_back(cause.clone()).unwrap();
        assert_eq!(moving.job.attempt, 0, "{cause:?} with progress");
    }
}

#[test]
fn job_waits_for_an_engine_or_its_storage_for_at_most_a_week() {
    let causes = [PutBack::Engine { retry_after: None }, PutBack::Storage { retry_after: None }];
    let ends = [(-1_i64, false), (0, true), (1, true)];
    for (cause, (ms, ended)) in causes.iter().flat_map(|cause| ends.map(|end| (cause, end))) {
        let mut case = Case::claimed();
        case.put_back(cause.clone()).unwrap();
        case.now = Timestamp::from_millis((START + case.rules.max_wait).millis() + ms);
        case.claim(2).unwrap();
        case.put_back(cause.clone()).unwrap();
        assert_eq!(case.job.status.is_terminal(), ended, "{cause:?}, {ms} ms");
        let failed = case.job.error.as_ref().map(|error| error.code);
        assert_eq!(failed, ended.then_some(Code::WaitedTooLong), "{cause:?}, {ms} ms");
    }
}

#[test]
fn writes_of_a_fenced_worker_are_refused() {
    let mut case = Case::claimed();
    case.now = START + 120 * SECOND;
    case.claim(2).unwrap();
    let before = case.job.clone();
    let failure = Failure::of(Code::InvalidAudio);
    for command in [
        Command::Renew { fence: 1 },
        Command::FileVerified { fence: 1, index: 0 },
        Command::FailFile { fence: 1, index: 0, failure },
        Command::PutBack { fence: 1, cause: fault(), jitter: 0.0, explanation: None },
        Command::Finish { fence: 1 },
        Command::PushDone { fence: 1 },
        Command::AudioGone { fence: 1 },
        Command::CleanedUp { fence: 1 },
    ] {
        assert_eq!(case.apply(&command), Err(Refusal::Fenced { fence: 2 }), "{command:?}");
        assert_eq!(case.job, before);
    }
}

#[test]
fn cancel_raises_the_fence_and_is_idempotent() {
    let mut case = Case::claimed();
    assert_eq!(case.apply(&Command::Cancel).unwrap(), [Action::PromoteNext, Action::RunEffects]);
    assert_eq!((case.job.status, case.job.lease.fence), (Status::Cancelled, 2));
    assert_eq!((case.job.effects.push, case.job.effects.cleanup), (Effect::None, Effect::Due(START)));
    let before = case.job.clone();
    assert_eq!(case.apply(&Command::Cancel).unwrap(), [Action::RunEffects], "while they are open");
    assert_eq!(case.job, before);
    assert_eq!(case.apply(&Command::Finish { fence: 1 }), Err(Refusal::Fenced { fence: 2 }));
}

#[test]
fn finished_job_is_pushed_cleaned_up_and_deleted_after_retention() {
    let mut case = Case::finished();
    let fence = case.job.lease.fence;
    assert_eq!(case.job.status, Status::Completed);
    assert_eq!(case.job.result.as_ref().unwrap().transcribed_ms, 900);
    assert_eq!(case.job.due_at, Some(START + case.rules.effects_grace));
    case.apply(&Command::PushDone { fence }).unwrap();
    case.apply(&Command::AudioGone { fence }).unwrap();
    case.apply(&Command::CleanedUp { fence }).unwrap();
    let expires = START + case.rules.retention;
    assert_eq!((case.job.expires_at, case.job.due_at), (Some(expires), Some(expires)));
    for (ms, gone) in [(-1_i64, false), (0, true)] {
        case.now = Timestamp::from_millis(expires.millis() + ms);
        assert_eq!(case.apply(&Command::Expire).is_ok(), gone);
    }
}

#[test]
fn failed_job_keeps_its_audio_for_a_retry_and_expires_a_day_after_clean_up() {
    let mut case = Case::failed();
    let fence = case.job.lease.fence;
    assert_eq!((case.job.status, case.job.result.as_ref()), (Status::Failed, None));
    case.apply(&Command::PushDone { fence }).unwrap();
    assert_eq!((case.job.due_at, case.job.expires_at), (Some(START + case.rules.retention), None));
    case.now = START + case.rules.retention;
    case.apply(&Command::AudioGone { fence }).unwrap();
    case.apply(&Command::CleanedUp { fence }).unwrap();
    assert_eq!(case.job.expires_at, Some(case.now + case.rules.expire_after_cleanup));
    let key = Nonce(Uuid::from_u128(9));
    assert!(matches!(case.apply(&Command::Retry { key }), Err(Refusal::NotRetryable(_))));
}

#[test]
fn bytes_that_are_not_audio_are_deleted_at_once() {
    let mut case = Case::claimed();
    let fence = case.job.lease.fence;
    case.apply(&Command::FailFile { fence, index: 0, failure: Failure::of(Code::InvalidAudio) }).unwrap();
    case.apply(&Command::Finish { fence }).unwrap();
    assert_eq!(case.job.effects.cleanup, Effect::Due(START));
    assert!(!case.job.error.as_ref().unwrap().retryable);
}

#[test]
fn retry_starts_over_once_and_voids_the_effects_of_the_earlier_end() {
    let mut case = Case::failed();
    let (fence, number) = (case.job.lease.fence, case.job.dispatch.number);
    let key = Nonce(Uuid::from_u128(9));
    assert_eq!(case.apply(&Command::Retry { key }).unwrap(), [Action::Enqueue]);
    let job = case.job.clone();
    assert_eq!((job.status, job.attempt, job.error.as_ref()), (Status::Queued, 0, None));
    assert_eq!((job.lease.fence, job.dispatch.number), (fence + 1, number + 1));
    assert_eq!((job.completed_at, job.expires_at, job.effects.cleanup), (None, None, Effect::None));
    assert_eq!(job.files[0].status, FileStatus::Queued);
    case.apply(&Command::Retry { key }).unwrap();
    assert_eq!(case.job, job, "the same retry again changes nothing");
    assert_eq!(case.apply(&Command::AudioGone { fence }), Err(Refusal::Fenced { fence: fence + 1 }));
    let other = Nonce(Uuid::from_u128(10));
    assert!(matches!(case.apply(&Command::Retry { key: other }), Err(Refusal::NotRetryable(_))));
}

#[test]
fn retry_is_refused_if_the_lifecycle_would_delete_the_audio_first() {
    let rules = Rules::default();
    let last = START + (rules.audio_lifecycle - rules.max_wait - rules.retention);
    for (ms, refused) in [(-1_i64, false), (0, true)] {
        let mut case = Case::failed();
        case.now = Timestamp::from_millis(last.millis() + ms);
        let key = Nonce(Uuid::from_u128(9));
        assert_eq!(case.apply(&Command::Retry { key }).is_err(), refused, "{ms} ms");
    }
}

#[test]
fn tasks_are_marked_by_number_and_a_missing_task_gets_the_next_number() {
    let mut case = Case::queued();
    assert_eq!(case.job.due_at, Some(START + case.rules.enqueue_grace));
    case.apply(&Command::Enqueued { number: 1, schedule: None }).unwrap();
    assert_eq!(
        (case.job.dispatch.state, case.job.due_at),
        (DispatchState::Enqueued, Some(START + case.rules.task_grace))
    );
    assert_eq!(case.apply(&Command::TaskGone { number: 1 }).unwrap(), [Action::Enqueue]);
    assert_eq!((case.job.dispatch.state, case.job.dispatch.number), (DispatchState::Pending, 2));
    let late = Command::Enqueued { number: 1, schedule: None };
    assert_eq!(case.apply(&late), Err(Refusal::Redispatched { number: 2 }));
}

#[test]
fn job_waiting_for_its_retry_can_be_woken() {
    let mut case = Case::claimed();
    case.put_back(PutBack::Engine { retry_after: Some(300 * SECOND) }).unwrap();
    let number = case.job.dispatch.number;
    case.now = START + SECOND;
    assert_eq!(case.apply(&Command::Wake).unwrap(), [Action::Enqueue]);
    assert_eq!((case.job.dispatch.number, case.job.dispatch.not_before), (number + 1, None));
    assert_eq!(case.job.due_at, Some(case.now));
    case.apply(&Command::Cancel).unwrap();
    assert_eq!(case.apply(&Command::Wake).unwrap(), [Action::RunEffects]);
    assert_eq!(case.job.due_at, Some(case.now));
}

#[test]
fn job_of_a_lost_worker_is_recovered_one_lease_after_the_end_of_its_lease_and_not_before() {
    let mut case = Case::claimed();
    case.now = START + 120 * SECOND - MS;
    assert_eq!(case.apply(&Command::Recover), Err(Refusal::NotDue));
    case.now = START + 120 * SECOND;
    assert_eq!(case.apply(&Command::Recover).unwrap(), [Action::Enqueue]);
    assert_eq!((case.job.status, case.job.lease.fence, case.job.attempt), (Status::Queued, 2, 1));
}

#[test]
fn job_of_a_dead_worker_is_requeued_at_once_and_the_attempt_counts() {
    let mut case = Case::claimed();
    case.now = START + SECOND;
    let later = Command::WorkerGone { fence: 0 };
    assert_eq!(case.apply(&later), Err(Refusal::Fenced { fence: 1 }), "another claim than the one that is meant");
    let gone = Command::WorkerGone { fence: 1 };
    assert_eq!(case.apply(&gone).unwrap(), [Action::Enqueue]);
    assert_eq!((case.job.status, case.job.lease.fence, case.job.attempt), (Status::Queued, 2, 1));
    assert_eq!(case.apply(&gone), Err(Refusal::NotQueued(Status::Queued)));
}

#[test]
fn push_is_given_up_after_a_day() {
    for (ms, given_up) in [(-1_i64, false), (0, true)] {
        let mut case = Case::finished();
        let fence = case.job.lease.fence;
        case.now = Timestamp::from_millis((START + case.rules.push_give_up).millis() + ms);
        let at = case.now + 30 * SECOND;
        case.apply(&Command::PushLater { fence, at }).unwrap();
        assert_eq!(matches!(case.job.effects.push, Effect::Done(_)), given_up);
    }
}

#[test]
fn change_within_one_millisecond_gets_a_later_time() {
    let mut case = Case::claimed();
    let before = case.job.updated_at;
    case.apply(&Command::Cancel).unwrap();
    assert!(case.job.updated_at > before);
}

#[test]
fn job_waiting_for_a_service_gives_up_its_slot_and_takes_one_afterwards() {
    let engine = PutBack::Engine { retry_after: None };
    let storage = PutBack::Storage { retry_after: None };
    let budget = PutBack::Budget { until: START + 3600 * SECOND };
    for (cause, promotes) in [(engine, false), (storage, false), (budget, false), (PutBack::Language, true)] {
        let mut case = Case::claimed();
        let actions = case.put_back(cause.clone()).unwrap();
        assert!(case.job.is_parked() && !case.job.holds_slot(), "{cause:?}");
        assert_eq!(actions.contains(&Action::PromoteNext), promotes, "{cause:?}");
        assert_eq!(case.apply(&Command::Promote), Err(Refusal::NotQueued(Status::Queued)), "it is not in line");
        case.now = case.job.due_at.unwrap() - MS;
        assert_eq!(case.apply(&Command::TakeSlot), Err(Refusal::NotDue));
        case.now = case.now + MS;
        assert_eq!(needed_repair(&case.job, case.now, &case.rules), Repair::TakeSlot);
        assert_eq!(case.apply(&Command::TakeSlot).unwrap(), [Action::Enqueue]);
        assert!(case.job.holds_slot() && case.job.waiting_for.is_none(), "{cause:?}");
    }
}

#[test]
fn last_wait_is_cut_to_end_with_the_longest_wait() {
    let mut case = Case::claimed();
    case.put_back(PutBack::Language).unwrap();
    let over = START + case.rules.max_wait;
    case.now = over - SECOND;
    case.claim(2).unwrap();
    case.put_back(PutBack::Language).unwrap();
    assert_eq!(case.job.due_at, Some(over));
}

#[test]
fn giving_a_permit_to_others_costs_neither_an_attempt_nor_a_wait() {
    let mut case = Case::claimed();
    assert_eq!(case.put_back(PutBack::YieldToOthers).unwrap(), [Action::Enqueue]);
    assert_eq!((case.job.attempt, case.job.due_at, case.job.waiting_for), (0, Some(START), None));
    assert!(case.job.holds_slot());
}

#[test]
fn lease_is_corrected_if_it_ends_over_ten_minutes_later_than_any_lease() {
    for (ms, astray) in [(-1_i64, false), (0, false), (1, true)] {
        let mut case = Case::claimed();
        let latest = START + case.rules.lease + 600 * SECOND;
        case.job.lease.until = Some(Timestamp::from_millis(latest.millis() + ms));
        case.job.due_at = case.job.held_until(&case.rules);
        assert_eq!(is_from_clock_ahead(&case.job, case.now, &case.rules), astray, "{ms} ms");
        assert_eq!(case.apply(&Command::CorrectClock).is_ok(), astray, "{ms} ms");
        assert_eq!(case.job.held_until(&case.rules) == Some(START), astray, "{ms} ms");
    }
}

#[test]
fn change_is_corrected_if_it_is_more_than_ten_minutes_ahead() {
    for (ms, astray) in [(-1_i64, false), (0, false), (1, true)] {
        let mut case = Case::queued();
        case.job.updated_at = Timestamp::from_millis((START + 600 * SECOND).millis() + ms);
        assert_eq!(is_from_clock_ahead(&case.job, case.now, &case.rules), astray, "{ms} ms");
        assert_eq!(case.apply(&Command::CorrectClock).is_ok(), astray, "{ms} ms");
        assert_eq!(case.job.updated_at == START, astray, "{ms} ms");
    }
}
