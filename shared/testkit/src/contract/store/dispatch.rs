//! Dispatching a job to a worker: tasks that are created, marked, lost and created again.

use std::sync::Arc;
use std::time::Duration;

use domain::command::Action;
use domain::job::{DispatchState, WaitingFor};
use domain::transition::gives_up_waiting_at;
use domain::{Code, Command, Refusal, Status, Timestamp};
use flow::ports::{Stepped, Store};

use super::{ann, user};
use crate::build::{batch_as, job_id, phone};
use crate::harness::Harness;

const MINUTE: Duration = Duration::from_secs(60);

pub async fn created_task_is_marked_and_checked_later(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let marked = harness.done(job.id, Command::Enqueued { number: 1, schedule: None }).await;
    assert_eq!(marked.dispatch.state, DispatchState::Enqueued);
    assert_eq!(marked.due_at, Some(harness.now() + harness.rules.task_grace));
    let schedule = Some(harness.now() + 30 * MINUTE);
    let marked = harness.done(job.id, Command::Enqueued { number: 1, schedule }).await;
    assert_eq!(marked.due_at, Some(harness.now() + 30 * MINUTE + harness.rules.task_grace), "not before it can run");
    assert_eq!(harness.job(job.id).await, marked);
}

pub async fn late_mark_changes_nothing(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let held = harness.claim(job.id).await;
    assert_eq!(harness.done(job.id, Command::Enqueued { number: 1, schedule: None }).await, held);
    harness.pass(harness.rules.takeover_after());
    let queued = harness.done(job.id, Command::Recover).await;
    let why = harness.refused(job.id, Command::Enqueued { number: 1, schedule: None }).await;
    assert_eq!(why, Refusal::Redispatched { number: 2 });
    assert_eq!(harness.job(job.id).await, queued);
}

pub async fn lost_task_is_created_again_with_the_next_dispatch_number(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    harness.done(job.id, Command::Enqueued { number: 1, schedule: None }).await;
    harness.pass(harness.rules.task_grace);
    let stepped = harness.step(job.id, &Command::TaskGone { number: 1 }).await;
    let Stepped::Done { job: after, actions, .. } = stepped else { panic!("{stepped:?}") };
    assert_eq!((after.dispatch.state, after.dispatch.number), (DispatchState::Pending, 2));
    assert_eq!((after.due_at, actions), (Some(harness.now() + harness.rules.enqueue_grace), vec![Action::Enqueue]));
    let why = harness.refused(job.id, Command::TaskGone { number: 1 }).await;
    assert_eq!(why, Refusal::Redispatched { number: 2 }, "two sweeps make one new number");
}

pub async fn processing_job_is_not_dispatched_again(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let held = harness.claim(job.id).await;
    let until = harness.now() + MINUTE;
    let refused = [
        Command::TaskGone { number: 1 },
        Command::Promote,
        Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation: None },
        Command::GiveUpWaiting,
    ];
    for command in refused {
        assert_eq!(harness.refused(job.id, command).await, Refusal::NotQueued(Status::Processing));
    }
    assert_eq!(harness.job(job.id).await, held);
}

pub async fn a_postponed_job_waits_without_being_claimed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let until = harness.now() + 5 * MINUTE;
    let postpone = Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation: None };
    let waits = harness.done(job.id, postpone.clone()).await;
    assert_eq!((waits.status, waits.attempt, waits.lease.fence), (Status::Queued, 0, 0));
    assert_eq!((waits.waiting_for, waits.waiting_until), (Some(WaitingFor::Engine), Some(until)));
    assert_eq!((waits.waiting_since, waits.dispatch.number), (Some(harness.now()), 2));
    assert_eq!(harness.done(job.id, postpone).await, waits, "once");
    assert_eq!(harness.job(job.id).await, waits);
}

pub async fn job_stops_waiting_shortly_before_its_audio_is_deleted(store: Arc<dyn Store>) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let job = harness.accept(&user(early), &[phone(0)]).await;
        let end = gives_up_waiting_at(&job, &harness.rules);
        harness.clock.set(Timestamp::from_millis(end.millis() - early));
        if over {
            let ended = harness.done(job.id, Command::GiveUpWaiting).await;
            assert_eq!(ended.status, Status::Failed);
            assert_eq!(ended.error.as_ref().map(|error| error.code), Some(Code::WaitedTooLong));
            assert_eq!(harness.job(job.id).await, ended);
        } else {
            assert_eq!(harness.refused(job.id, Command::GiveUpWaiting).await, Refusal::NotDue);
        }
    }
}

pub async fn job_with_a_slot_cannot_be_promoted_again(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for n in 1..=5 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
    }
    let promoted = harness.done(job_id(5), Command::Promote).await;
    assert_eq!(promoted.dispatch.state, DispatchState::Pending);
    assert_eq!(harness.refused(job_id(5), Command::Promote).await, Refusal::NotQueued(Status::Queued));
}
