//! An outage of the speech engine while a user has 5,000 waiting jobs: it costs few writes, and all jobs continue after
//! it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::accept::{Batch, StagedFile};
use domain::job::WaitingFor;
use domain::{Command, Job, JobId, Rules, Status};
use flow::ports::JobStore;
use flow::process::{Outcome, Worker};
use flow::settings::WorkerLimits;
use flow::{Services, Settings};
use speech::RetryClass;
use testkit::build::{T0, job_id};
use testkit::fault_injection::{FailsBefore, Plan};
use testkit::memory;
use tests::recordings::name;

use crate::harness::{Stage, ann};
use crate::parallel::{recordings, run};
use crate::script::{Reply, Script};

const JOBS: u64 = 5_000;
const STEP: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// A user with very many jobs, over ports that count calls.
struct Crowd {
    stage: Stage,
    store: Arc<FailsBefore<memory::Store>>,
    queue: Arc<FailsBefore<memory::Queue>>,
}

impl Crowd {
    async fn new() -> Self {
        let mut stage = Stage::new();
        // All jobs share the bytes of the first one.
        let rules = Rules { keep_audio: 24 * HOUR, ..Rules::default() };
        let worker = WorkerLimits { parallelism: 1, ..WorkerLimits::default() };
        let settings = Arc::new(Settings { rules, worker, ..Settings::default() });
        let store = Arc::new(FailsBefore::planned(stage.store.clone(), Plan::never()));
        let queue = Arc::new(FailsBefore::planned(stage.queue.clone(), Plan::never()));
        stage.services = Services { settings, store: store.clone(), queue: queue.clone(), ..stage.services };
        let first = stage.accept_all(&recordings(0, 1), None).await;
        let first = stage.job(first.job_id).await;
        for n in 1..JOBS {
            stage.store.create_job(&like(&first, n), stage.services.at()).await.unwrap();
        }
        Self { stage, store, queue }
    }

    /// Delivers due tasks and runs the sweep every minute.
    async fn live(&self, worker: &Worker, time: Duration) {
        let end = self.stage.clock_now() + time;
        let mut sweeps_at = self.stage.clock_now();
        while !self.stage.clock_now().has_reached(end) {
            if self.stage.clock_now().has_reached(sweeps_at) {
                flow::sweep::sweep(&self.stage.services, 2000).await.unwrap();
                sweeps_at = sweeps_at + Duration::from_secs(60);
            }
            for task in self.stage.queue.take_due(self.stage.clock_now()) {
                assert_ne!(run(worker, &task.body).await, Outcome::Busy, "one at a time");
            }
            self.stage.clock.advance(STEP);
        }
    }

    fn count(&self, wanted: impl Fn(&Job) -> bool) -> usize {
        self.stage.store.all_jobs().iter().filter(|job| wanted(job)).count()
    }
}

/// A job with the same bytes under another name, recorded later.
fn like(first: &Job, n: u64) -> Batch {
    let (file, name) = (&first.files[0], name(T0.millis() / 1000 - 80_000 + n.cast_signed()));
    let parsed = domain::name::parse(&name).unwrap();
    let staged = StagedFile {
        blob: file.blob.clone(),
        size: file.size,
        sha256: file.sha256,
        crc32c: file.crc32c,
        stream: parsed.stream,
        captured_at: parsed.captured_at,
        silent: None,
        name,
    };
    let id: JobId = job_id(n);
    Batch { job_id: id, uid: ann(), files: vec![staged], conversation_id: None, language: None, traceparent: None }
}

#[tokio::test]
async fn engine_outage_of_an_hour_costs_few_writes_and_all_jobs_continue() {
    let crowd = Crowd::new().await;
    let is_back = Arc::new(AtomicBool::new(false));
    let back = Arc::clone(&is_back);
    let away = Reply::Fails(RetryClass::Later { after: None });
    let engine = Arc::new(Script::new(move |_| if back.load(Ordering::Relaxed) { Reply::Text } else { away }));
    let (worker, _) = crowd.stage.worker_with(&engine);
    let before = (crowd.store.plan().calls_of("store.step"), crowd.queue.plan().calls_of("queue.enqueue"));
    crowd.live(&worker, HOUR).await;
    let writes = crowd.store.plan().calls_of("store.step") - before.0;
    let tasks = crowd.queue.plan().calls_of("queue.enqueue") - before.1;
    let touched = crowd.count(|job| job.dispatch.number > 1);
    println!(
        "steps {writes}, promotions {}, tasks {tasks}, calls {}, jobs touched {touched}",
        crowd.store.plan().calls_of("store.promote"),
        engine.calls()
    );
    assert!(writes <= 400, "{writes} steps of jobs");
    assert!(tasks <= 120, "{tasks} tasks");
    assert!(engine.calls() <= 40, "{} calls", engine.calls());
    assert!(touched <= 16, "{touched} jobs called the engine");
    assert_eq!(crowd.count(|job| job.attempt > 0 || job.status.is_terminal()), 0, "no job is worse off because of it");

    is_back.store(true, Ordering::Relaxed);
    crowd.live(&worker, Duration::from_secs(300)).await;
    let completed = crowd.count(|job| job.status == Status::Completed);
    assert!(completed >= 40, "{completed} jobs in five minutes, four every ten seconds at most");
    assert_eq!(crowd.count(|job| job.is_parked()), 0, "no job still waits for the recovered engine");
    assert!(crowd.count(Job::holds_slot) <= 4);
}

#[tokio::test]
async fn job_postponed_by_the_circuit_continues_with_the_sweep_after_an_answer_or_with_a_start() {
    for at_a_start in [false, true] {
        let mut stage = Stage::new();
        let rules = Rules { backoff_max: Duration::from_secs(60), ..Rules::default() };
        stage.services.settings = Arc::new(Settings { rules, ..Settings::default() });
        let job_id = stage.accept_all(&recordings(0, 1), None).await.job_id;
        let until = stage.clock_now() + (HOUR - Duration::from_secs(1));
        let command = Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation: None };
        stage.services.step(job_id, &command).await.unwrap();
        assert!(stage.job(job_id).await.is_parked());
        stage.clock.advance(STEP);
        if at_a_start {
            flow::sweep::resume(&stage.services, stage.clock_now(), 100).await.unwrap();
        } else {
            let circuit = &stage.services.instance.circuit;
            (0..3).for_each(|_| circuit.failed(stage.clock_now(), Some(24 * HOUR), None));
            circuit.succeeded();
            flow::sweep::sweep(&stage.services, 100).await.unwrap();
        }
        let due_at = stage.job(job_id).await.due_at.unwrap();
        assert!(stage.clock_now().has_reached(due_at), "at a server start: {at_a_start}, due at {due_at}");
    }
}
