//! Starts, runs and stops the embedded server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use config::Config;
use domain::{Code, Timestamp, Uid};
use edge::tls::ExpiryWarning;
use edge::{Listener, ServeLimits, serve};
use flow::Services;
use flow::ports::Clock;
use local::LocalQueue;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::Background;
use crate::disk::name_disk;
use crate::listener::{self, CertificateInfo};
use crate::wiring::{self, Wired};

/// The user for whom the printed token is issued.
const LOCAL_USER: &str = "local";
/// How long after SIGTERM clients may still get their answers.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(6);
/// How long the queue and the worker may take after that.
const WORK_DEADLINE: Duration = Duration::from_secs(2);
/// How long the databases may take to close after that. The sum is less than the ten seconds after which a container is
/// killed.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// How often a shutdown that takes long says what it waits for.
const TELL_EVERY: Duration = Duration::from_secs(2);

pub struct Options {
    pub data_dir: PathBuf,
    pub config: Config,
    pub version: &'static str,
}

/// What a new user, or a script, needs to use the server.
#[derive(Clone, Debug)]
pub struct Started {
    pub url: String,
    pub internal_url: String,
    pub data_dir: PathBuf,
    pub uid: Uid,
    pub token: String,
    pub token_until: Timestamp,
    pub engine: String,
    pub sample: PathBuf,
    /// `None`: plain HTTP.
    pub tls: Option<CertificateInfo>,
    /// The code with which every upload is refused, for developers of apps.
    pub refusal: Option<Code>,
    version: &'static str,
    local_only: bool,
}

impl Started {
    /// Says in the log that the server runs, and how.
    pub fn log(&self) {
        let tls = self.tls.as_ref().map(|tls| tls.certificate.display());
        tracing::info!(
            version = self.version,
            address = self.url,
            data_dir = %self.data_dir.display(),
            engine = self.engine,
            tls = self.tls.is_some(),
            certificate = tls.map(tracing::field::display),
            "ready for requests"
        );
    }

    /// Says from where the address can be reached.
    pub fn reach(&self) -> &'static str {
        match (&self.tls, self.local_only) {
            (None, true) => "plain HTTP, from this machine only",
            (None, false) => "plain HTTP, from other machines too: put TLS in front of it",
            (Some(_), true) => "TLS, from this machine only",
            (Some(_), false) => "TLS, from other machines too",
        }
    }
}

/// A server whose listeners are open but not served yet.
pub struct Server {
    pub started: Started,
    public: (Listener, Router),
    internal: (TcpListener, Router),
    wired: Wired,
    limits: ServeLimits,
}

impl Server {
    /// Checks the configuration, opens the listeners and locks the data folder. A mistake in any of them is returned as
    /// one line.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { data_dir, config, version } = options;
        let prepared = wiring::prepare(&config)?;
        // The recorder is installed before anything counts metrics.
        edge::metrics::install();
        flow::metrics::describe();
        local::metrics::describe();
        let tls = listener::tls(&config)?;
        let (public, internal) = listener::listen(&config).await?;
        let address = listener::client_address(public.local_addr()?);
        let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let internal_url = format!("http://{}", internal.local_addr()?);
        let disk = |error| name_disk(&data_dir, error);
        let wired = wiring::wire(&data_dir, &config, prepared, &internal_url).await.map_err(disk)?;
        // A clock that is not set is reported at the start, and not at the first request.
        wired.services.clock_is_set();
        let uid = Uid::new(LOCAL_USER)?;
        let ttl = config.identity.token_ttl;
        let now = wired.services.now();
        edge::metrics::describe_process(version, now);
        let started = Started {
            url,
            internal_url,
            token: wired.identity.issue(&uid, ttl)?,
            token_until: now + ttl,
            engine: wired.worker.engine().name().to_owned(),
            sample: crate::sample::write(&wired.data_dir, now)
                .context("cannot write the sample recording")
                .map_err(disk)?,
            data_dir: wired.data_dir.clone(),
            tls: listener::certificate_info(&config, tls.as_ref(), address),
            refusal: config.simulate.refuse,
            version,
            local_only: public.local_addr()?.ip().is_loopback(),
            uid,
        };
        let certificate = started.tls.as_ref().filter(|tls| tls.self_signed).map(|tls| tls.certificate.as_path());
        let announced = wired.folder.announce(&started.url, certificate);
        announced.context("cannot write the lock file of the data folder").map_err(disk)?;
        let limits = ServeLimits { shutdown: ANSWERS_DEADLINE, ..config.server.limits.clone() };
        let (public_routes, internal_routes) = wired.routers(version);
        let public = (Listener { listener: public, tls }, public_routes);
        Ok(Self { started, public, internal: (internal, internal_routes), wired, limits })
    }

    /// Serves until `shutdown`. Then no new work is taken, running work goes back to the queue without counting as an
    /// attempt, and answers under way are completed.
    ///
    /// The certificate is read again whenever `reload` changes.
    pub async fn run(self, shutdown: CancellationToken, reload: watch::Receiver<u64>) -> Result<()> {
        let Self { public, internal, wired, limits, .. } = self;
        let tasks = TaskTracker::new();
        let background = Background::new(wired.services.clone(), &wired.config.sweep);
        let deliveries = CancellationToken::new();
        tasks.spawn(deliver(wired.queue.clone(), wired.services.clone(), deliveries.clone()));
        tasks.spawn(background.run(shutdown.clone()));
        // The worker's listener outlives the public one: a worker that gives work back still has to answer the queue.
        let internal_down = CancellationToken::new();
        let max_connections = limits.max_connections;
        let internal_limits = ServeLimits { max_connections, shutdown: WORK_DEADLINE, ..ServeLimits::default() };
        tasks.spawn(serve(internal.0, internal.1, internal_limits, internal_down.clone()));
        if let Some(tls) = public.0.tls.clone() {
            let every = wired.config.server.tls_renewal;
            let (clock, until) = (Arc::clone(&wired.services.clock), shutdown.clone());
            let warning = ExpiryWarning::default();
            warning.check(&tls.certificate(), clock.now());
            tasks.spawn(async move { until.run_until_cancelled(tls.renew(every, &*clock, reload, warning)).await });
        }
        let public = serve(public.0, public.1, limits, shutdown.clone());
        // Both wait for the signal. The public listener may end at once, when it has no connections.
        let stop_work = async {
            shutdown.cancelled().await;
            deliveries.cancel();
            wired.stop_work.cancel();
            wired.end_streams.cancel();
        };
        let told = async {
            shutdown.cancelled().await;
            tell_every(&*wired.services.clock, "answers to clients").await;
        };
        tokio::select! {
            _ = async { tokio::join!(public, stop_work) } => {}
            () = told => {}
        }
        internal_down.cancel();
        tasks.close();
        if tokio::time::timeout(WORK_DEADLINE, tasks.wait()).await.is_err() {
            tracing::warn!("some work did not end in time and is cut off; it is retried when its lease has expired");
        }
        // A disk that syncs slowly may keep the databases for long. A kill does them no harm, and nor does the end of
        // the program.
        let closed = tokio::task::spawn_blocking(move || drop(wired));
        if tokio::time::timeout(CLOSE_DEADLINE, closed).await.is_err() {
            tracing::warn!(
                "the databases are not closed in time, because the disk is slow; the next start repairs them"
            );
        }
        Ok(())
    }
}

/// Says again and again what the shutdown waits for. It never ends by itself.
async fn tell_every(clock: &dyn Clock, what: &str) {
    loop {
        clock.sleep(TELL_EVERY).await;
        tracing::info!(waits_for = what, "still shutting down");
    }
}

/// Delivers tasks as soon as the clock is set.
async fn deliver(queue: Arc<LocalQueue>, services: Services, shutdown: CancellationToken) {
    if shutdown.run_until_cancelled(services.until_clock_is_set()).await.is_some() {
        queue.deliver(shutdown).await;
    }
}
