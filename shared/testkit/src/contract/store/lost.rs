//! Lost answers: a caller who repeats what may or may not have happened ends where he would have ended without.

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
use crate::lossy::{LosesAnswers, Plan};
use crate::memory;
use crate::scene::Scene;
use crate::snapshot::Snapshot;

const MINUTE: Duration = Duration::from_secs(60);

/// One run of a story: job ids are the same in every run of the same user.
struct Run {
    scene: Scene,
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

/// Plays the story without faults in memory, then on the store with its first answers lost, then with every second
/// answer lost by chance, and compares what the user sees.
async fn survives(store: Arc<dyn Store>, story: impl AsyncFn(&Run)) {
    let mut plans = vec![Plan::first_of_each()];
    plans.extend((1..=6).map(|seed| Plan::seeded(seed, 2)));
    for (n, plan) in plans.into_iter().enumerate() {
        let run = |store| Run { scene: Scene::new(store), uid: user(n as i64), first_id: 100 * n as u64 };
        let calm = run(Arc::new(memory::Store::new()));
        story(&calm).await;
        let expected = Snapshot::take(&*calm.scene.store, &calm.uid).await.unwrap();
        let lossy = run(Arc::new(LosesAnswers::planned(store.clone(), plan)));
        story(&lossy).await;
        assert_eq!(Snapshot::take(&*store, &lossy.uid).await.unwrap(), expected, "plan {n}");
    }
}

pub async fn acceptance_and_turns(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { scene, uid, .. } = run;
        for n in 1..=7 {
            scene.create(&run.batch(n, &[phone(-1000 * n as i64)])).await;
        }
        scene.create(&run.batch(8, &[phone(-1000)])).await;
        scene.step(run.id(1), &Command::Cancel).await;
        scene.step(run.id(6), &Command::Promote).await;
        let more = domain::Rules { enqueued_per_user: 6, ..domain::Rules::default() };
        let at = || flow::ports::At { now: scene.now(), rules: &more };
        scene.ask(|| scene.store.promote(uid, at())).await;
    })
    .await;
}

pub async fn the_whole_life_of_a_job(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (scene, id) = (&run.scene, run.id(1));
        scene.create(&run.batch(1, &[phone(0), phone(60), phone(900), phone(2000)])).await;
        scene.done(id, Command::Enqueued { number: 1, schedule: None }).await;
        let job = scene.claim(id).await;
        let fence = job.lease.fence;
        scene.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (4000, 5000)])).await;
        scene.say(&job, 0, &[(0, "one"), (2000, "two")]).await;
        scene.place(&job, 0, &[(4000, Answer::EmptyOnce)]).await;
        scene.place(&job, 0, &[(4000, Answer::Empty)]).await;
        scene.done(id, Command::Renew { fence }).await;
        scene.done(id, Command::FileVerified { fence, index: 1 }).await;
        scene.plan(&job, 1, speech(&[(0, 900), (2000, 3000)])).await;
        scene.say(&job, 1, &[(0, "three")]).await;
        scene.place(&job, 1, &[(2000, Answer::Failed { refused: false })]).await;
        scene.plan(&job, 2, Heard::Silence).await;
        let failure = Failure::of(Code::StagedAudioMissing);
        scene.done(id, Command::FailFile { fence, index: 3, failure }).await;
        scene.finish(&job).await;
        scene.done(id, Command::PushLater { fence, at: scene.now() + MINUTE }).await;
        scene.done(id, Command::PushDone { fence }).await;
        scene.done(id, Command::Retry { key: nonce(1) }).await;
        let job = scene.claim(id).await;
        let fence = job.lease.fence;
        scene.say(&job, 1, &[(2000, "four")]).await;
        scene.work(&job, 3, &[(0, 900, "five")]).await;
        scene.finish(&job).await;
        scene.done(id, Command::PushDone { fence }).await;
        scene.done(id, Command::AudioGone { fence }).await;
        let job = scene.done(id, Command::CleanedUp { fence }).await;
        scene.create(&run.batch(2, &[phone(0)])).await;
        scene.clock.set(job.expires_at.unwrap());
        scene.step(id, &Command::Expire).await;
        scene.create(&run.batch(3, &[phone(0), phone(60)])).await;
    })
    .await;
}

pub async fn trouble_and_waiting(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (scene, id) = (&run.scene, run.id(1));
        scene.create(&run.batch(1, &[phone(0)])).await;
        scene.step(id, &Command::TaskGone { number: 1 }).await;
        let postpone = Command::Postpone { until: scene.now() + MINUTE, waiting_for: WaitingFor::Engine };
        scene.done(id, postpone).await;
        let causes = [
            PutBack::Fault { code: Code::Internal, retry_after: None },
            PutBack::Deadline,
            PutBack::Shutdown,
            PutBack::Engine { retry_after: Some(MINUTE) },
            PutBack::Language,
            PutBack::ForOthers,
            PutBack::Budget { until: scene.now() + 9 * MINUTE },
        ];
        for cause in causes {
            let fence = scene.claim(id).await.lease.fence;
            scene.done(id, Command::PutBack { fence, cause, jitter: 0.5 }).await;
            scene.pass(MINUTE);
        }
        let job = scene.claim(id).await;
        scene.pass(scene.rules.lease);
        scene.step(id, &Command::Recover).await;
        scene.clock.set(gives_up_waiting_at(&job, &scene.rules));
        scene.step(id, &Command::GiveUpWaiting).await;
    })
    .await;
}

pub async fn listening_in_several_deliveries(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let (scene, id) = (&run.scene, run.id(1));
        scene.create(&run.batch(1, &[phone(0), phone(60)])).await;
        for (place, bytes) in [(3, "three"), (5, "five")] {
            let job = scene.claim(id).await;
            scene.checkpoint(&job, 1, place, bytes.as_bytes()).await;
            let put_back = Command::PutBack { fence: job.lease.fence, cause: PutBack::Deadline, jitter: 0.5 };
            scene.done(id, put_back).await;
            assert_eq!(scene.checkpointed(&job, 1).await.as_deref(), Some(bytes.as_bytes()));
        }
        let job = scene.claim(id).await;
        scene.work(&job, 0, &[(0, 900, "short")]).await;
        scene.work(&job, 1, &[(0, 900, "long")]).await;
        let job = scene.finish(&job).await;
        assert_eq!(scene.checkpointed(&job, 1).await, None);
    })
    .await;
}

pub async fn conversations_that_join(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let scene = &run.scene;
        for (n, secs) in [(1, 200), (2, 0), (3, 400), (4, 300), (5, 100)] {
            scene.transcribe_batch(&run.batch(n, &[phone(secs)]), &[&[(0, 1000, "some words")]]).await;
        }
        let mut attached = run.batch(6, &[phone(7000)]);
        attached.conversation_id = Some(conversation_id(5));
        scene.transcribe_batch(&attached, &[&[(0, 1000, "attached")]]).await;
    })
    .await;
}

pub async fn conversations_that_are_deleted(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { scene, uid, .. } = run;
        let said: Vec<_> = (0..5).map(|n| (n * 1000, n * 1000 + 900, "some words")).collect();
        let job = scene.transcribe_batch(&run.batch(1, &[phone(0)]), &[&said]).await;
        scene.transcribe_batch(&run.batch(2, &[phone(9000)]), &[&said]).await;
        let id = job.new_conversation_ids[0];
        scene.pass(MINUTE);
        assert!(scene.delete(uid, id).await);
        scene.forget(uid, id, 2).await;
        scene.pass(MINUTE);
        assert!(!scene.delete(uid, id).await);
    })
    .await;
}

pub async fn devices_that_come_and_go(store: Arc<dyn Store>) {
    survives(store, async |run: &Run| {
        let Run { scene, uid, .. } = run;
        let put = async |device| scene.ask(|| scene.store.put_device(&device)).await;
        let token = |n: u32| format!("{uid}-{n}");
        let last = token(3);
        put(device(&bob(), "phone", &token(1))).await;
        put(device(uid, "phone", &token(1))).await;
        put(device(uid, "tablet", &token(2))).await;
        put(device(uid, "watch", &token(3))).await;
        put(device(uid, "pendant", &token(3))).await;
        let id = crate::build::device_id("tablet");
        scene.ask(|| scene.store.delete_device(uid, &id)).await;
        let id = crate::build::device_id("pendant");
        scene.ask(|| scene.store.drop_token(uid, &id, &last)).await;
    })
    .await;
}
