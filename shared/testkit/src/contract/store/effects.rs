//! What follows the end of a job: the push, the clean-up, and the day on which the job is deleted.

use std::sync::Arc;
use std::time::Duration;

use domain::command::Action;
use domain::job::{Audio, Effect};
use domain::{Code, Command, Failure, Job, Refusal, Timestamp};
use flow::ports::{Stepped, Store};

use super::{ann, user};
use crate::build::{nonce, phone};
use crate::harness::Harness;

const HOUR: Duration = Duration::from_secs(3600);

async fn completed(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.transcribe(&ann(), &phone(0), &[(0, 900, "over")]).await;
    (harness, job)
}

pub async fn effects_are_marked_done_one_by_one(store: Arc<dyn Store>) {
    let (harness, job) = completed(store).await;
    let fence = job.lease.fence;
    assert_eq!(job.due_at, Some(harness.now() + harness.rules.effects_grace));
    let pushed = harness.done(job.id, Command::PushDone { fence }).await;
    assert_eq!((pushed.effects.push, pushed.effects.cleanup), (Effect::Done(harness.now()), job.effects.cleanup));
    let gone = harness.done(job.id, Command::AudioGone { fence }).await;
    assert_eq!(gone.audio, Audio::Gone);
    let clean = harness.done(job.id, Command::CleanedUp { fence }).await;
    assert_eq!(clean.effects.cleanup, Effect::Done(harness.now()));
    assert_eq!(clean.expires_at, Some(harness.now() + harness.rules.retention));
    assert_eq!(clean.due_at, clean.expires_at);
    assert_eq!(harness.job(job.id).await, clean);
    for command in [Command::PushDone { fence }, Command::AudioGone { fence }, Command::CleanedUp { fence }] {
        assert_eq!(harness.done(job.id, command).await, clean, "repeated");
    }
}

pub async fn failed_push_is_due_later(store: Arc<dyn Store>) {
    let (harness, job) = completed(store).await;
    let fence = job.lease.fence;
    harness.done(job.id, Command::AudioGone { fence }).await;
    harness.done(job.id, Command::CleanedUp { fence }).await;
    let at = harness.now() + HOUR;
    let later = harness.done(job.id, Command::PushLater { fence, at }).await;
    assert_eq!((later.effects.push, later.due_at), (Effect::Due(at), Some(at)));
    assert_eq!(harness.job(job.id).await, later);
}

pub async fn a_push_is_given_up_a_day_after_the_end_and_not_before(store: Arc<dyn Store>) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let job = harness.transcribe(&user(early), &phone(0), &[(0, 900, "over")]).await;
        let end = job.completed_at.unwrap() + harness.rules.push_give_up;
        harness.clock.set(Timestamp::from_millis(end.millis() - early));
        let at = harness.now() + HOUR;
        let later = harness.done(job.id, Command::PushLater { fence: job.lease.fence, at }).await;
        assert_eq!(later.effects.push, if over { Effect::Done(harness.now()) } else { Effect::Due(at) });
    }
}

pub async fn effects_of_an_end_undone_by_a_retry_are_refused(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = super::partly_failed(&harness, &ann()).await;
    let fence = job.lease.fence;
    let retried = harness.done(job.id, Command::Retry { key: nonce(1) }).await;
    let at = harness.now() + HOUR;
    let effects = [
        Command::PushDone { fence },
        Command::PushLater { fence, at },
        Command::AudioGone { fence },
        Command::CleanedUp { fence },
    ];
    for command in effects.clone() {
        let why = harness.refused(job.id, command).await;
        assert_eq!(why, Refusal::Fenced { fence: retried.lease.fence });
    }
    assert_eq!(harness.job(job.id).await, retried);
    let held = harness.claim(job.id).await;
    harness.pass(harness.rules.takeover_after());
    for index in [1, 2] {
        let failure = Failure::of(Code::StagedAudioMissing);
        harness.done(job.id, Command::FailFile { fence: held.lease.fence, index, failure }).await;
    }
    let ended = harness.finish(&held).await;
    for command in effects {
        let why = harness.refused(job.id, command).await;
        assert_eq!(why, Refusal::Fenced { fence: ended.lease.fence }, "a second end has effects of its own");
    }
}

pub async fn only_jobs_with_audio_are_reported_to_the_orphan_check(store: Arc<dyn Store>) {
    let (harness, completed) = completed(store).await;
    // A failed job keeps its audio for a retry.
    let held = harness.accept(&ann(), &[phone(250)]).await;
    let held = harness.claim(held.id).await;
    let failure = Failure::of(Code::TranscriptionFailed);
    harness.done(held.id, Command::FailFile { fence: held.lease.fence, index: 0, failure }).await;
    let done = harness.finish(&held).await;
    let live = harness.accept(&ann(), &[phone(500)]).await;
    let ids = [completed.id, done.id, live.id, crate::build::job_id(404)];
    let with_audio = async || {
        let mut ids = harness.store.jobs_with_audio(&ids).await.unwrap();
        ids.sort();
        ids
    };
    let mut both = vec![done.id, live.id];
    both.sort();
    assert_eq!(with_audio().await, both);
    harness.done(done.id, Command::AudioGone { fence: done.lease.fence }).await;
    assert_eq!(with_audio().await, [live.id]);
}

pub async fn job_is_deleted_at_the_end_of_its_retention_and_not_before(store: Arc<dyn Store>) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let uid = user(early);
        let job = harness.transcribe(&uid, &phone(0), &[(0, 900, "stays")]).await;
        let fence = job.lease.fence;
        harness.done(job.id, Command::PushDone { fence }).await;
        let clean = harness.done(job.id, Command::CleanedUp { fence }).await;
        harness.clock.set(Timestamp::from_millis(clean.expires_at.unwrap().millis() - early));
        if over {
            let stepped = harness.step(job.id, &Command::Expire).await;
            assert_eq!(stepped, Stepped::Done { job: clean, actions: vec![Action::Forget], promoted: vec![] });
            assert_eq!(harness.store.job(job.id).await.unwrap(), None);
            assert_eq!(harness.step(job.id, &Command::Expire).await, Stepped::NoSuchJob);
            assert_eq!(harness.recording(&job, 0).await.state, domain::recording::State::Done, "recordings stay");
            assert_eq!(harness.talk(&uid).await, [["stays"]], "and their texts");
        } else {
            assert_eq!(harness.refused(job.id, Command::Expire).await, Refusal::NotDue);
        }
    }
}

pub async fn unfinished_job_never_expires(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    harness.pass(1000 * harness.rules.retention);
    assert_eq!(harness.refused(job.id, Command::Expire).await, Refusal::NotDue);
}
