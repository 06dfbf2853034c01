//! The services of these tests: every port in memory, a clock that the test moves, an engine that answers on command.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use audio::Detection;
use domain::{Job, JobId, Uid};
use flow::accept::{BatchOptions, Intake, PartHeaders};
use flow::ports::{AlwaysAdmit, TaskBody};
use flow::process::Worker;
use flow::settings::WorkerLimits;
use flow::{Services, Settings};
use speech::{Audio, Capabilities, Engine, EngineError, Hints, Languages, Transcript, Utterance};
use testkit::build::{T0, uid};
use testkit::{SeededRandom, TestClock, memory};
use tests::Recording;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The limit for one wait of a test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future that may hang when a rule is broken.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it hangs")
}

/// Runs a worker until it waits for its engine.
pub async fn until_engine_called(worker: Pin<&mut impl Future<Output: Debug>>, engine: &ManualEngine) {
    tokio::select! {
        done = worker => panic!("the worker should wait for its engine: {done:?}"),
        () = soon(engine.until_called()) => {}
    }
}

/// All services, with those that a test inspects.
pub struct Stage {
    pub services: Services,
    pub clock: Arc<TestClock>,
    pub store: Arc<memory::Store>,
    pub blobs: Arc<memory::Blobs>,
    pub push: Arc<memory::Push>,
    pub queue: Arc<memory::Queue>,
}

impl Stage {
    pub fn new() -> Self {
        let clock = TestClock::at(T0);
        let store = Arc::new(memory::Store::new());
        let blobs = Arc::new(memory::Blobs::new(clock.clone()));
        let push = Arc::new(memory::Push::new());
        let queue = Arc::new(memory::Queue::new(clock.clone()));
        let services = Services {
            store: store.clone(),
            feed: store.clone(),
            blobs: blobs.clone(),
            uploads: Arc::new(memory::Uploads::new(blobs.clone(), Arc::new(SeededRandom::new(2)))),
            queue: queue.clone(),
            push: push.clone(),
            admission: Arc::new(AlwaysAdmit),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(1)),
            detection: Detection::energy(),
            settings: Arc::new(Settings::default()),
            staging: Default::default(),
            instance: Default::default(),
        };
        Self { services, clock, store, blobs, push, queue }
    }

    /// The same stage with other settings of the worker.
    #[must_use]
    pub fn with(mut self, worker: WorkerLimits) -> Self {
        self.services.settings = Arc::new(Settings { worker, ..Settings::default() });
        self
    }

    /// A worker of an instance with this clock.
    pub fn worker(&self, engine: &Arc<ManualEngine>, clock: &Arc<TestClock>) -> Worker {
        let services = Services { clock: clock.clone(), ..self.services.clone() };
        Worker::new(services, Arc::clone(engine) as Arc<dyn Engine>, CancellationToken::new())
    }

    /// Accepts a recording of Ann.
    pub async fn accept(&self, name: &str, bytes: &[u8]) -> TaskBody {
        self.accept_all(&[Recording::new(name, bytes.to_vec())], None).await
    }

    /// Accepts recordings of Ann as one job.
    pub async fn accept_all(&self, recordings: &[Recording], language: Option<&str>) -> TaskBody {
        self.accept_of(&ann(), recordings, language).await
    }

    pub async fn accept_of(&self, uid: &Uid, recordings: &[Recording], language: Option<&str>) -> TaskBody {
        let terms = BatchOptions { language: language.map(str::to_owned), ..BatchOptions::default() };
        let mut intake = Intake::begin(&self.services, uid.clone(), terms).await.unwrap();
        for Recording { name, bytes, .. } in recordings {
            intake.start_file(name, PartHeaders::default()).await.unwrap();
            intake.write(bytes.clone()).await.unwrap();
            intake.end_file().await.unwrap();
        }
        let job = intake.commit(None).await.unwrap().job;
        TaskBody { job_id: job.id, uid: job.uid, dispatch: job.dispatch.number }
    }

    pub fn clock_now(&self) -> domain::Timestamp {
        self.services.now()
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.services.store.job(id).await.unwrap().unwrap()
    }
}

pub fn ann() -> Uid {
    uid("ann")
}

pub fn bob() -> Uid {
    uid("bob")
}

/// An engine that returns one text, each time it is allowed to.
pub struct ManualEngine {
    says: &'static str,
    called: Semaphore,
    allowed: Semaphore,
}

impl ManualEngine {
    pub fn new(says: &'static str) -> Arc<Self> {
        Arc::new(Self { says, called: Semaphore::new(0), allowed: Semaphore::new(0) })
    }

    /// Returns when a call has arrived that was not waited for before.
    async fn until_called(&self) {
        self.called.acquire().await.unwrap().forget();
    }

    pub fn answer(&self) {
        self.allowed.add_permits(1);
    }
}

#[async_trait]
impl Engine for ManualEngine {
    fn name(&self) -> &str {
        "puppet"
    }

    fn capabilities(&self) -> Capabilities {
        let minute = Duration::from_secs(60);
        let languages = Languages::Any;
        Capabilities {
            preferred_span: minute,
            max_span: minute,
            concurrency: 1,
            words: false,
            speakers: false,
            languages,
            opus: false,
        }
    }

    async fn transcribe(&self, audio: Audio<'_>, _: &Hints) -> Result<Transcript, EngineError> {
        self.called.add_permits(1);
        self.allowed.acquire().await.unwrap().forget();
        let (text, end_ms) = (self.says.to_owned(), audio.duration_ms());
        let line = Utterance { start_ms: 0, end_ms, text, speaker: None, words: None };
        Ok(Transcript { language: None, lines: vec![line] })
    }

    async fn ready(&self) -> Result<(), EngineError> {
        Ok(())
    }
}
