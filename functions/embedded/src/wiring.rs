//! Connects the embedded adapters with the use cases and the routers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use audio::Detection;
use axum::Router;
use config::Config;
use edge::health::Readiness;
use edge::{Check, TaskSecret};
use flow::clock_guard::ClockGuard;
use flow::instance::Instance;
use flow::job_stats::JobGauges;
use flow::ports::{Admission, AlwaysAdmit, Blobs, Clock, Feed, Identity, Queue, Random, ReceivesUploads, Uploads};
use flow::process::Worker;
use flow::{Services, Settings};
use local::{DataFolder, DiskBlobs, DiskUploads, LocalIdentity, LocalQueue, PushLog, QueueSettings, SqliteStore};
use secrecy::SecretString;
use speech::Engine;
use system::{BUILT_AT, SystemClock, SystemRandom};
use tokio_util::sync::CancellationToken;

use crate::simulate::Refusing;
use crate::sizes::Sizes;

/// The number of threads that read the store while the writer writes.
const READERS: usize = 2;

/// The connected parts of the server.
pub struct Wired {
    pub services: Services,
    pub worker: Arc<Worker>,
    pub identity: Arc<LocalIdentity>,
    pub queue: Arc<LocalQueue>,
    uploads: Arc<DiskUploads>,
    sizes: Sizes,
    pub data_dir: PathBuf,
    pub config: Config,
    /// Cancelling this sends running jobs back to the queue.
    pub stop_work: CancellationToken,
    /// Cancelling this ends answers that go on for minutes.
    pub end_streams: CancellationToken,
    secret: Arc<TaskSecret>,
    /// The lock on the folder, held as long as the server runs.
    pub folder: DataFolder,
}

/// What is made from the configuration alone, so that its mistakes are found before a port or a folder is opened.
pub struct Prepared {
    engine: Arc<dyn Engine>,
    detection: Detection,
    secret: Option<TaskSecret>,
}

pub fn prepare(config: &Config) -> Result<Prepared> {
    let engine = engines::engine(config)?;
    let secret = given_secret(config)?;
    Ok(Prepared { engine, detection: engines::detection(config)?, secret })
}

pub async fn wire(data_dir: &Path, config: &Config, prepared: Prepared, internal_url: &str) -> Result<Wired> {
    let Prepared { engine, detection, secret: given } = prepared;
    let folder = DataFolder::open(data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let secret = Arc::new(match given {
        Some(secret) => secret,
        None => TaskSecret::new(Some(local::secret::task_secret(&folder)?), None)?,
    });
    let store = Arc::new(SqliteStore::open(&folder.store_file(), READERS)?);
    let clock_guard = clock_guard(config, &store).await;
    let blobs = Arc::new(DiskBlobs::open(&folder.blobs_dir(), config.blobs.reserve_bytes, Arc::clone(&clock))?);
    // Only this process uses the folder: nobody goes on writing a half-written file in it.
    blobs.sweep_temporary()?;
    let uploads = Arc::new(DiskUploads::beside(&blobs, Arc::clone(&random)));
    uploads.prune()?;
    let queue_settings = queue_settings(config, internal_url, &secret);
    let queue = LocalQueue::open(&folder.queue_file(), queue_settings, Arc::clone(&clock), Arc::clone(&random))?;
    let queue = Arc::new(queue);
    let identity = Arc::new(LocalIdentity::open(&folder.secrets_dir(), Arc::clone(&clock))?);
    let push = Arc::new(PushLog::open(&folder.push_log(), Arc::clone(&clock))?);
    let sizes = Sizes {
        store: Arc::clone(&store),
        queue: Arc::clone(&queue),
        folder: folder.path().to_owned(),
        reserve_bytes: config.blobs.reserve_bytes,
    };
    let services = Services {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        store,
        blobs: blobs as Arc<dyn Blobs>,
        uploads: Arc::clone(&uploads) as Arc<dyn Uploads>,
        queue: Arc::clone(&queue) as Arc<dyn Queue>,
        push,
        admission: admission(config, &clock),
        clock,
        random,
        detection,
        // This process lives on after its answers, and at its start resumes what it could not do.
        settings: Arc::new(Settings { enqueue_behind_answers: true, ..config.settings.clone() }),
        staging: Default::default(),
        instance: Arc::new(Instance::with_clock_guard(clock_guard)),
    };
    let stop_work = CancellationToken::new();
    let worker = Arc::new(Worker::new(services.clone(), engine, stop_work.clone()));
    let (data_dir, config) = (folder.path().to_owned(), config.clone());
    let end_streams = CancellationToken::new();
    Ok(Wired {
        services,
        worker,
        identity,
        queue,
        uploads,
        sizes,
        data_dir,
        config,
        stop_work,
        end_streams,
        secret,
        folder,
    })
}

/// The guard that knows the newest stored change. A store that cannot tell it is reported by its own check.
async fn clock_guard(config: &Config, store: &SqliteStore) -> ClockGuard {
    let newest_change = store.newest_change().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the newest stored change is not known, so the clock cannot be compared with it");
        None
    });
    ClockGuard::unless_trusted(config.server.trust_clock, BUILT_AT, newest_change)
}

/// Admits every user, or nobody where a refusal is simulated.
fn admission(config: &Config, clock: &Arc<dyn Clock>) -> Arc<dyn Admission> {
    match config.simulate.refuse {
        None => Arc::new(AlwaysAdmit),
        Some(code) => Arc::new(Refusing::new(code, config.simulate.retry_after, Arc::clone(clock))),
    }
}

/// The configured secret, checked before anything is opened. If it is unset the data folder makes one; an empty one is
/// a mistake.
fn given_secret(config: &Config) -> Result<Option<TaskSecret>> {
    let tasks = &config.tasks;
    if tasks.secret.is_none() {
        anyhow::ensure!(
            tasks.previous_secret.is_none(),
            "configuration: tasks.previous_secret (environment: AFTERWORD_TASKS_PREVIOUS_SECRET) is set without tasks.secret"
        );
        return Ok(None);
    }
    Ok(Some(TaskSecret::new(tasks.secret.clone(), tasks.previous_secret.clone()).context("configuration")?))
}

fn queue_settings(config: &Config, internal_url: &str, secret: &TaskSecret) -> QueueSettings {
    let queue = &config.queue;
    QueueSettings {
        url: format!("{internal_url}{}", api::process::TASK_PATH),
        secret: SecretString::from(secret.expose_for_sending()),
        name: "afterword".to_owned(),
        max_attempts: queue.max_attempts,
        min_backoff: queue.min_backoff,
        max_backoff: queue.max_backoff,
        max_doublings: queue.max_doublings,
        dispatch_deadline: queue.dispatch_deadline,
        max_per_second: queue.max_per_second,
        // Twice the number of jobs that run: as many again may wait for a permit, so that the tasks of one user do not
        // keep away those of others.
        max_concurrent: 2 * config.settings.worker.max_jobs,
    }
}

impl Wired {
    /// Makes the public router and the internal one that only the queue uses.
    pub fn routers(&self, version: &'static str) -> (Router, Router) {
        let (services, secret) = (self.services.clone(), Arc::clone(&self.secret));
        let identity = Arc::clone(&self.identity) as Arc<dyn Identity>;
        let deps = api::Deps {
            services: services.clone(),
            identity,
            secret: Arc::clone(&secret),
            shutdown: self.end_streams.clone(),
            receives: Some(Arc::clone(&self.uploads) as Arc<dyn ReceivesUploads>),
            public_url: self.config.server.public_url.clone(),
        };
        let readiness = Readiness::from(self.checks());
        let public = api::routes(deps)
            .merge(edge::health::routes(version, readiness.clone()))
            .merge(self.metrics(readiness))
            .merge(edge::error_pages::routes());
        // The embedded queue signs nothing: the secret never leaves the machine.
        let deps = api::process::Deps { services, worker: Arc::clone(&self.worker), secret, identity: None };
        let internal = api::process::routes(deps);
        let random = &self.services.random;
        let public = edge::wrap_with(public, Arc::clone(random), self.config.server.requests());
        (public, edge::wrap(internal, Arc::clone(random)))
    }

    fn metrics(&self, readiness: Readiness) -> Router {
        let (services, gauges) = (self.services.clone(), Arc::new(JobGauges::default()));
        let (worker, sizes) = (Arc::clone(&self.worker), self.sizes.clone());
        edge::metrics::routes(move || {
            worker.update_call_metrics();
            let (services, gauges, readiness) = (services.clone(), Arc::clone(&gauges), readiness.clone());
            let sizes = sizes.clone();
            async move {
                let (_, shown, refreshed) =
                    tokio::join!(readiness.update_metrics(), sizes.show(), gauges.refresh(&services));
                shown.and(refreshed)
            }
        })
    }

    fn checks(&self) -> Vec<Check> {
        let Services { store, blobs, queue, .. } = &self.services;
        let mut checks = Check::for_ports(store, blobs, queue);
        checks.push(Check::clock(&self.services));
        checks.push(api::process::degraded_engine_check(&self.worker));
        checks
    }
}
