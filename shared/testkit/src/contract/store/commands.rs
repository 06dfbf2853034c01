//! Every command in every situation does exactly what the transition function decides: adapters hold no rules.

use std::sync::Arc;
use std::time::Duration;

use domain::command::Action;
use domain::job::WaitingFor;
use domain::placement::Answer;
use domain::planning::Heard;
use domain::transition::{Context, apply};
use domain::{Code, Command, Failure, Job, PutBack, ReplacedUpload, Uid, UploadUrl};
use flow::ports::{JobQuery, Page, Stepped, Store};

use super::{partly_failed, user};
use crate::build::{nonce, phone, speech};
use crate::harness::Harness;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Situation {
    Queued,
    Enqueued,
    Waiting,
    Processing,
    ReadyToFinish,
    Lost,
    PutBack,
    WaitingForEngine,
    DueAfterItsWait,
    WrittenInTheFuture,
    Completed,
    PartlyFailed,
    Cancelled,
    CleanedUp,
    Retried,
    Uploading,
    UploadOverdue,
    UploadExpired,
}

use Situation::*;

async fn bring_about(harness: &Harness, uid: &Uid, situation: Situation) -> Job {
    match situation {
        Queued => harness.accept(uid, &[phone(0), phone(900)]).await,
        Enqueued => {
            let job = harness.accept(uid, &[phone(0)]).await;
            harness.done(job.id, Command::Enqueued { number: 1, schedule: Some(harness.now() + MINUTE) }).await
        }
        Waiting => {
            for n in 0..harness.rules.enqueued_per_user {
                harness.accept(uid, &[phone(1000 + i64::from(n))]).await;
            }
            harness.accept(uid, &[phone(0)]).await
        }
        Processing | ReadyToFinish | Lost | PutBack | WaitingForEngine | DueAfterItsWait | WrittenInTheFuture => {
            at_work(harness, uid, situation).await
        }
        Completed => harness.transcribe(uid, &phone(0), &[(0, 900, "over")]).await,
        PartlyFailed => partly_failed(harness, uid).await,
        Cancelled => {
            let job = harness.accept(uid, &[phone(0)]).await;
            harness.done(job.id, Command::Cancel).await
        }
        CleanedUp => {
            let job = harness.transcribe(uid, &phone(0), &[(0, 900, "over")]).await;
            let fence = job.lease.fence;
            harness.done(job.id, Command::AudioGone { fence }).await;
            let job = harness.done(job.id, Command::CleanedUp { fence }).await;
            harness.clock.set(job.expires_at.unwrap());
            job
        }
        Uploading => harness.session(uid, &[phone(0), phone(900)]).await,
        UploadOverdue | UploadExpired => {
            let job = harness.session(uid, &[phone(0)]).await;
            harness.clock.set(job.due_at.unwrap());
            if matches!(situation, UploadOverdue) { job } else { harness.done(job.id, Command::ExpireUpload).await }
        }
        Retried => {
            let job = partly_failed(harness, uid).await;
            harness.done(job.id, Command::Retry { key: nonce(1) }).await
        }
    }
}

async fn at_work(harness: &Harness, uid: &Uid, situation: Situation) -> Job {
    let job = harness.accept(uid, &[phone(0), phone(900)]).await;
    let job = harness.done(job.id, Command::Claim { owner: nonce(1) }).await;
    let fence = job.lease.fence;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 0, &[(0, "half of it")]).await;
    match situation {
        ReadyToFinish => {
            harness.place(&job, 0, &[(2000, Answer::Failed { refused: false })]).await;
            harness.plan(&job, 1, Heard::Silence).await;
        }
        Lost => harness.pass(harness.rules.takeover_after()),
        PutBack => _ = harness.done(job.id, put_back(fence, domain::PutBack::Deadline)).await,
        WaitingForEngine | DueAfterItsWait => {
            let cause = domain::PutBack::Engine { retry_after: Some(MINUTE) };
            let job = harness.done(job.id, put_back(fence, cause)).await;
            if matches!(situation, DueAfterItsWait) {
                harness.clock.set(job.due_at.unwrap());
            }
        }
        WrittenInTheFuture => {
            let now = harness.now();
            harness.pass(72 * 60 * MINUTE);
            harness.done(job.id, Command::Renew { fence }).await;
            harness.clock.set(now);
        }
        _ => {}
    }
    harness.job(job.id).await
}

fn put_back(fence: u64, cause: domain::PutBack) -> Command {
    Command::PutBack { fence, cause, jitter: 0.25, explanation: None }
}

/// Every command that can be sent to this job: with its own fence and dispatch number, and with others.
fn everything(job: &Job, harness: &Harness) -> Vec<Command> {
    let soon = harness.now() + MINUTE;
    let (own, number) = (job.lease.fence, job.dispatch.number);
    let mut all = vec![
        Command::Promote,
        Command::SettleSlot,
        Command::TakeSlot,
        Command::CorrectClock,
        Command::Wake,
        Command::Claim { owner: nonce(1) },
        Command::Claim { owner: nonce(2) },
        Command::Postpone { until: soon, waiting_for: WaitingFor::Engine, explanation: None },
        Command::Postpone { until: soon, waiting_for: WaitingFor::Budget, explanation: None },
        Command::Recover,
        Command::WorkerGone { fence: job.lease.fence },
        Command::GiveUpWaiting,
        Command::Cancel,
        Command::Retry { key: nonce(1) },
        Command::Retry { key: nonce(2) },
        Command::UploadsStarted { urls: vec![(0, UploadUrl::new("here".into()))] },
        Command::UploadsReplaced {
            replacements: vec![ReplacedUpload {
                index: 0,
                dead: UploadUrl::new("here".into()),
                url: UploadUrl::new("there".into()),
            }],
        },
        Command::ExpireUpload,
        Command::Expire,
    ];
    for number in [number, number + 1] {
        all.push(Command::Enqueued { number, schedule: None });
        all.push(Command::Enqueued { number, schedule: Some(soon) });
        all.push(Command::TaskGone { number });
    }
    for fence in [own, own + 1] {
        all.extend(with_fence(fence, soon));
    }
    all
}

fn with_fence(fence: u64, soon: domain::Timestamp) -> Vec<Command> {
    let failure = Failure::because(Code::StagedAudioMissing, "the blob is gone");
    vec![
        Command::Renew { fence },
        Command::FileVerified { fence, index: 0 },
        Command::FileVerified { fence, index: 7 },
        Command::FailFile { fence, index: 0, failure: failure.clone() },
        Command::FailFile { fence, index: 7, failure },
        put_back(fence, PutBack::Fault { code: Code::Internal, retry_after: Some(2 * MINUTE) }),
        put_back(fence, PutBack::Deadline),
        put_back(fence, PutBack::Shutdown),
        put_back(fence, PutBack::Engine { retry_after: None }),
        put_back(fence, PutBack::Language),
        put_back(fence, PutBack::YieldToOthers),
        put_back(fence, PutBack::Storage { retry_after: None }),
        put_back(fence, PutBack::Budget { until: soon }),
        Command::Finish { fence },
        Command::PushDone { fence },
        Command::PushLater { fence, at: soon },
        Command::AudioGone { fence },
        Command::CleanedUp { fence },
    ]
}

/// Compares one command with the pure function; returns false when the job does not exist after it.
async fn matches_pure_function(harness: &Harness, job: &Job, command: &Command) -> bool {
    let jobs =
        harness.store.jobs(&JobQuery::all(&job.uid, Page::first(100), domain::Timestamp::default())).await.unwrap();
    let taken = jobs.iter().filter(|job| job.holds_slot()).count();
    let slot_free = taken < harness.rules.enqueued_per_user as usize;
    let ctx = Context { now: harness.now(), rules: &harness.rules, slot_free, slot_is_provisional: false };
    match (apply(job, command, ctx), harness.step(job.id, command).await) {
        (Ok(step), Stepped::Done { job: after, actions, promoted }) => {
            assert_eq!((&after, &actions), (&step.job, &step.actions), "{command:?}");
            assert!(promoted.is_empty() || step.asks_for(Action::PromoteNext), "{command:?}: {promoted:?}");
            let stays = !step.asks_for(Action::Forget);
            assert_eq!(harness.store.job(job.id).await.unwrap(), stays.then_some(step.job), "{command:?}");
            stays
        }
        (Err(expected), Stepped::Refused { job: after, why }) => {
            assert_eq!((&after, &why), (job, &expected), "{command:?}");
            assert_eq!(harness.store.job(job.id).await.unwrap().as_ref(), Some(job), "{command:?}");
            true
        }
        (expected, stepped) => panic!("{command:?}: not {expected:?} but {stepped:?}"),
    }
}

async fn all_commands(store: &Arc<dyn Store>, situation: Situation) {
    let all = {
        let harness = Harness::new(store.clone());
        let job = bring_about(&harness, &user(0), situation).await;
        everything(&job, &harness).len()
    };
    for n in 0..all {
        let harness = Harness::new(store.clone());
        let job = bring_about(&harness, &user(1 + n as i64), situation).await;
        let command = &everything(&job, &harness)[n];
        if matches_pure_function(&harness, &job, command).await {
            let job = harness.job(job.id).await;
            matches_pure_function(&harness, &job, command).await;
        }
    }
}

macro_rules! situations {
    ($($name:ident: $situation:expr;)*) => {
        $(pub async fn $name(store: Arc<dyn Store>) {
            all_commands(&store, $situation).await;
        })*
    };
}

situations! {
    commands_to_queued_job_match_transition: Queued;
    commands_to_enqueued_job_match_transition: Enqueued;
    commands_to_waiting_job_match_transition: Waiting;
    commands_to_processing_job_match_transition: Processing;
    commands_to_job_ready_to_finish_match_transition: ReadyToFinish;
    commands_to_lost_job_match_transition: Lost;
    commands_to_put_back_job_match_transition: PutBack;
    commands_to_job_waiting_for_engine_match_transition: WaitingForEngine;
    commands_to_job_due_after_its_wait_match_transition: DueAfterItsWait;
    commands_to_job_written_by_clock_ahead_match_transition: WrittenInTheFuture;
    commands_to_completed_job_match_transition: Completed;
    commands_to_partly_failed_job_match_transition: PartlyFailed;
    commands_to_cancelled_job_match_transition: Cancelled;
    commands_to_cleaned_up_job_match_transition: CleanedUp;
    commands_to_retried_job_match_transition: Retried;
    commands_to_upload_session_match_transition: Uploading;
    commands_to_overdue_upload_session_match_transition: UploadOverdue;
    commands_to_expired_upload_session_match_transition: UploadExpired;
}
