//! A process of the backend: both functions, the delivery of tasks and the sweep, on a runtime whose time is virtual.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use audio::Detection;
use axum::Router;
use domain::{Rules, Uid};
use edge::TaskSecret;
use engine::ports::Answer;
use flow::ports::{Denied, Identity};
use flow::process::Worker;
use flow::settings::WorkerLimits;
use flow::{Services, Settings};
use secrecy::SecretString;
use simulator::Incoming;
use testkit::SeededRandom;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::Moody;
use crate::answer::answer_of;
use crate::deliveries;
use crate::kept::Kept;
use crate::listener::Listener;

/// Jobs stay readable for longer than the device lives.
const KEPT: Duration = Duration::from_secs(100 * 86_400);
/// Threads that wait for work longer than this are not needed.
const END: Duration = Duration::from_secs(5);

/// An answer, the number of its request, and when it was given.
pub type Given = (u64, Duration, Answer);

pub struct Instance {
    kept: Arc<Kept>,
    runtime: Runtime,
    public: Router,
    answered: UnboundedReceiver<Given>,
    gives: UnboundedSender<Given>,
}

/// A verifier for tokens that name the account.
struct Names;

#[async_trait]
impl Identity for Names {
    async fn verify(&self, token: &str) -> flow::Result<Result<Uid, Denied>> {
        let name = token.strip_prefix("token-of-").unwrap_or_default();
        Ok(Uid::new(name).map_err(|why| Denied { detail: why.to_string() }))
    }
}

impl Instance {
    /// Starts a process at this moment.
    pub fn start(kept: &Arc<Kept>, at: Duration) -> Self {
        let mut runtime = Builder::new_current_thread();
        // One thread for what blocks, so that a seed always leads to the same order.
        let runtime = runtime.enable_time().start_paused(true).max_blocking_threads(1).build().unwrap();
        let _here = runtime.enter();
        kept.clock.began(at, Instant::now());
        let services = services(kept);
        let secret = Arc::new(TaskSecret::new(Some(SecretString::from("s".repeat(32))), None).unwrap());
        let listener = Listener { random: kept.random.fork(), is_faulty: kept.is_faulty.clone() };
        let worker = Worker::new(services.clone(), Arc::new(listener), CancellationToken::new());
        let deps = api::Deps {
            services: services.clone(),
            identity: Arc::new(Names),
            secret: Arc::clone(&secret),
            shutdown: CancellationToken::new(),
            receives: Some(kept.uploads.clone()),
            public_url: None,
        };
        let public = edge::wrap(api::routes(deps), services.random.clone());
        let task_secret = secret.expose_for_sending().to_owned();
        let deps = api::process::Deps { services: services.clone(), worker: Arc::new(worker), secret, identity: None };
        let internal = edge::wrap(api::process::routes(deps), services.random.clone());
        runtime.spawn(deliveries::deliver(Arc::clone(kept), internal.clone(), task_secret.clone()));
        runtime.spawn(deliveries::sweep(Arc::clone(kept), internal, task_secret));
        let (gives, answered) = unbounded_channel();
        drop(_here);
        Self { kept: Arc::clone(kept), runtime, public, answered, gives }
    }

    /// Begins to answer a request.
    pub fn take(&self, number: u64, request: Incoming) {
        let (router, gives, clock) = (self.public.clone(), self.gives.clone(), Arc::clone(&self.kept.clock));
        self.runtime.spawn(async move {
            if let Some(answer) = answer_of(router, request).await {
                let _ = gives.send((number, clock.elapsed(), answer));
            }
        });
    }

    /// Works until this moment, or until something was answered.
    pub fn work_until(&mut self, until: Duration) -> Vec<Given> {
        let until = self.kept.clock.instant(until);
        let answered = &mut self.answered;
        let first = self.runtime.block_on(async {
            tokio::select! {
                biased;
                first = answered.recv() => first,
                () = tokio::time::sleep_until(until) => None,
            }
        });
        let mut given: Vec<_> = first.into_iter().collect();
        while let Ok(more) = self.answered.try_recv() {
            given.push(more);
        }
        given
    }

    /// Ends the process wherever it is.
    pub fn kill(self) {
        drop(self.public);
        self.runtime.shutdown_timeout(END);
    }
}

fn services(kept: &Kept) -> Services {
    let rules = Rules { retention: KEPT, expire_after_cleanup: KEPT, ..Rules::default() };
    let worker = WorkerLimits { parallelism: 1, ..WorkerLimits::default() };
    Services {
        store: kept.reached.clone(),
        feed: kept.store.clone(),
        blobs: kept.blobs.clone(),
        uploads: kept.uploads.clone(),
        queue: kept.queue.clone(),
        push: kept.push.clone(),
        admission: Arc::new(Moody { random: kept.random.fork(), is_faulty: kept.is_faulty.clone() }),
        clock: kept.clock.clone(),
        random: Arc::new(SeededRandom::new(kept.random.below(u64::MAX))),
        detection: Detection::energy(),
        settings: Arc::new(Settings { rules, worker, ..Settings::default() }),
        staging: Default::default(),
        instance: Default::default(),
    }
}
