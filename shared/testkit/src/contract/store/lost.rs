//! Lost answers: a caller that repeats a call with an unknown outcome ends in the same state as without the fault.

use std::sync::Arc;
use std::time::Duration;

use domain::accept::Batch;
use domain::job::WaitingFor;
use domain::placement::Answer;
use domain::planning::Heard;
use domain::transition::gives_up_waiting_at;
use domain::{Code, Command, Failure, JobId, PutBack, Uid};
use flow::ports::Store;

use super::{bob, user};
use crate::build::{batch_as, conversation_id, device, job_id, nonce, phone, speech};
use crate::fault_injection::{LosesAnswers, Plan};
use crate::harness::Harness;
use crate::memory;
use crate::snapshot::Snapshot;

const MINUTE: Duration = Duration::from_secs(60);

/// One run of a scenario: job ids are the same in every run of the same user.
struct Run {
    harness: Harness,
    uid: Uid,
    first_id: u64,
}

impl Run {
    fn id(&self, n: u64) -> JobId {
        job_id(self.first_id + n)
    }

    fn batch(&self, n: u64, names: &[String]) -> Batch {
        batch_as(self.id(n), &self.uid, names)
    }
}

/// Plays the scenario without faults in memory, then on the store with the first answer of each operation lost, then
/// with every second answer lost at random, and compares what the user sees.
async fn survives(store: Arc<dyn Store>, story: impl AsyncFn(&Run)) {
    let mut plans = vec![Plan::first_of_each()];
    plans.extend((1..=6).map(|seed| Plan::seeded(seed, 2)));
    for (n, plan) in plans.into_iter().enumerate() {
        let run = |store| Run { harness: Harness::new(store), uid: user(n as i64), first_id: 100 * n as u64 };
        let calm = run(Arc::new(memory::Store::new()));
        story(&calm).await;
        let expected = Snapshot::take(&*calm.harness.store, &calm.uid).await.unwrap();
        let fault_injection = run(Arc::new(LosesAnswers::planned(store.clone(), plan)));
        story(&fault_injection).await;
        assert_eq!(Snapshot::take(&*store, &fault_injection.uid).await.unwrap(), expected, "plan {n}");
    }
}

pub async fn acceptance_and_slots(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { harness, uid, .. } = run;
        for n in 1..=7 {
            harness.create(&run.batch(n, &[phone(-1000 * n as i64)])).await;
        }
        harness.create(&run.batch(8, &[phone(-1000)])).await;
        harness.step(run.id(1), &Command::Cancel).await;
        harness.step(run.id(6), &Command::Promote).await;
        let more = domain::Rules { enqueued_per_user: 6, ..domain::Rules::default() };
        let at = || flow::ports::At { now: harness.now(), rules: &more };
        harness.ask(|| harness.store.promote(uid, at())).await;
    })
    .await;
}

pub async fn job_from_acceptance_to_end(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (harness, id) = (&run.harness, run.id(1));
        harness.create(&run.batch(1, &[phone(0), phone(60), phone(900), phone(2000)])).await;
        harness.done(id, Command::Enqueued { number: 1, schedule: None }).await;
        let job = harness.claim(id).await;
        let fence = job.lease.fence;
        harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (4000, 5000)])).await;
        harness.say(&job, 0, &[(0, "one"), (2000, "two")]).await;
        harness.place(&job, 0, &[(4000, Answer::EmptyOnce)]).await;
        harness.place(&job, 0, &[(4000, Answer::Empty)]).await;
        harness.done(id, Command::Renew { fence }).await;
        harness.done(id, Command::FileVerified { fence, index: 1 }).await;
        harness.plan(&job, 1, speech(&[(0, 900), (2000, 3000)])).await;
        harness.say(&job, 1, &[(0, "three")]).await;
        harness.place(&job, 1, &[(2000, Answer::Failed { refused: false })]).await;
        harness.plan(&job, 2, Heard::Silence).await;
        let failure = Failure::of(Code::StagedAudioMissing);
        harness.done(id, Command::FailFile { fence, index: 3, failure }).await;
        harness.finish(&job).await;
        harness.done(id, Command::PushLater { fence, at: harness.now() + MINUTE }).await;
        harness.done(id, Command::PushDone { fence }).await;
        harness.done(id, Command::Retry { key: nonce(1) }).await;
        let job = harness.claim(id).await;
        let fence = job.lease.fence;
        harness.say(&job, 1, &[(2000, "four")]).await;
        harness.work(&job, 3, &[(0, 900, "five")]).await;
        harness.finish(&job).await;
        harness.done(id, Command::PushDone { fence }).await;
        harness.done(id, Command::AudioGone { fence }).await;
        let job = harness.done(id, Command::CleanedUp { fence }).await;
        harness.create(&run.batch(2, &[phone(0)])).await;
        harness.clock.set(job.expires_at.unwrap());
        harness.step(id, &Command::Expire).await;
        harness.create(&run.batch(3, &[phone(0), phone(60)])).await;
    })
    .await;
}

pub async fn faults_and_waiting(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (harness, id) = (&run.harness, run.id(1));
        harness.create(&run.batch(1, &[phone(0)])).await;
        harness.step(id, &Command::TaskGone { number: 1 }).await;
        let postpone =
            Command::Postpone { until: harness.now() + MINUTE, waiting_for: WaitingFor::Engine, explanation: None };
        harness.done(id, postpone).await;
        let causes = [
            PutBack::Fault { code: Code::Internal, retry_after: None },
            PutBack::Deadline,
            PutBack::Shutdown,
            PutBack::Engine { retry_after: Some(MINUTE) },
            PutBack::Language,
            PutBack::YieldToOthers,
            PutBack::Budget { until: harness.now() + 9 * MINUTE },
        ];
        for cause in causes {
            let fence = harness.claim(id).await.lease.fence;
            harness.done(id, Command::PutBack { fence, cause, jitter: 0.5, explanation: None }).await;
            harness.pass(MINUTE);
        }
        let job = harness.claim(id).await;
        harness.pass(harness.rules.takeover_after());
        harness.step(id, &Command::Recover).await;
        harness.clock.set(gives_up_waiting_at(&job, &harness.rules));
        harness.step(id, &Command::GiveUpWaiting).await;
    })
    .await;
}

pub async fn first_pass_in_several_deliveries(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (harness, id) = (&run.harness, run.id(1));
        harness.create(&run.batch(1, &[phone(0), phone(60)])).await;
        for (place, bytes) in [(3, "three"), (5, "five")] {
            let job = harness.claim(id).await;
            harness.checkpoint(&job, 1, place, bytes.as_bytes()).await;
            let put_back =
                Command::PutBack { fence: job.lease.fence, cause: PutBack::Deadline, jitter: 0.5, explanation: None };
            harness.done(id, put_back).await;
            assert_eq!(harness.checkpointed(&job, 1).await.as_deref(), Some(bytes.as_bytes()));
        }
        let job = harness.claim(id).await;
        harness.work(&job, 0, &[(0, 900, "short")]).await;
        harness.work(&job, 1, &[(0, 900, "long")]).await;
        let job = harness.finish(&job).await;
        assert_eq!(harness.checkpointed(&job, 1).await, None);
    })
    .await;
}

pub async fn joining_conversations(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let harness = &run.harness;
        for (n, secs) in [(1, 200), (2, 0), (3, 400), (4, 300), (5, 100)] {
            harness.transcribe_batch(&run.batch(n, &[phone(secs)]), &[&[(0, 1000, "some words")]]).await;
        }
        let mut attached = run.batch(6, &[phone(7000)]);
        attached.conversation_id = Some(conversation_id(5));
        harness.transcribe_batch(&attached, &[&[(0, 1000, "attached")]]).await;
    })
    .await;
}

pub async fn deleting_conversations(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { harness, uid, .. } = run;
        let segments: Vec<_> = (0..5).map(|n| (n * 1000, n * 1000 + 900, "some words")).collect();
        let job = harness.transcribe_batch(&run.batch(1, &[phone(0)]), &[&segments]).await;
        harness.transcribe_batch(&run.batch(2, &[phone(9000)]), &[&segments]).await;
        let id = job.new_conversation_ids[0];
        harness.pass(MINUTE);
        assert!(harness.delete(uid, id).await);
        harness.forget(uid, id, 2).await;
        harness.pass(MINUTE);
        assert!(!harness.delete(uid, id).await);
    })
    .await;
}

pub async fn registering_and_deleting_devices(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { harness, uid, .. } = run;
        let put = async |device| harness.ask(|| harness.store.put_device(&device)).await;
        let token = |n: u32| format!("{uid}-{n}");
        let last = token(3);
        put(device(&bob(), "phone", &token(1))).await;
        put(device(uid, "phone", &token(1))).await;
        put(device(uid, "tablet", &token(2))).await;
        put(device(uid, "watch", &token(3))).await;
        put(device(uid, "pendant", &token(3))).await;
        let id = crate::build::device_id("tablet");
        harness.ask(|| harness.store.delete_device(uid, &id)).await;
        let id = crate::build::device_id("pendant");
        harness.ask(|| harness.store.drop_token(uid, &id, &last)).await;
    })
    .await;
}
