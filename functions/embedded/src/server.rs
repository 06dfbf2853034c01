//! Starting, running and ending the embedded server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use config::Config;
use domain::{Timestamp, Uid};
use edge::{ServeLimits, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::Background;
use crate::wiring::{self, Wired};

/// The user of the token that is printed.
const LOCAL_USER: &str = "local";
/// After SIGTERM clients have this long to get their answers.
const LAST_ANSWERS: Duration = Duration::from_secs(6);
/// What is left after that for the queue and the worker. Together less than the ten seconds after which a container is
/// killed.
const LAST_WORK: Duration = Duration::from_secs(3);

pub struct Options {
    pub data_dir: PathBuf,
    pub config: Config,
    pub version: &'static str,
}

/// What a newcomer, or a script, needs to go on.
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
    local_only: bool,
}

impl Started {
    /// From where the address can be reached, in words.
    pub fn reach(&self) -> &'static str {
        if self.local_only {
            "plain HTTP, from this machine only"
        } else {
            "plain HTTP, from other machines too: put TLS in front of it"
        }
    }
}

/// A server whose listeners are open.
pub struct Server {
    pub started: Started,
    public: (TcpListener, Router),
    internal: (TcpListener, Router),
    wired: Wired,
    limits: ServeLimits,
}

impl Server {
    /// Checks everything, opens everything, and takes the data folder. A mistake in the configuration or in the folder
    /// stops here, with one line.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { data_dir, config, version } = options;
        let prepared = wiring::prepare(&config)?;
        let (public, internal) = listen(&config).await?;
        let url = format!("http://{}", shown(public.local_addr()?));
        let internal_url = format!("http://{}", internal.local_addr()?);
        let wired = wiring::wire(&data_dir, &config, prepared, &internal_url)?;
        let uid = Uid::new(LOCAL_USER)?;
        let ttl = Duration::from_secs(config.identity.token_ttl_seconds);
        let now = wired.world.now();
        let started = Started {
            url,
            internal_url,
            token: wired.identity.issue(&uid, ttl)?,
            token_until: now + ttl,
            engine: wired.worker.engine().name().to_owned(),
            sample: crate::sample::write(&wired.data_dir, now).context("cannot write the sample recording")?,
            data_dir: wired.data_dir.clone(),
            local_only: public.local_addr()?.ip().is_loopback(),
            uid,
        };
        let max_connections = config.server.max_connections;
        let limits = ServeLimits { max_connections, shutdown: LAST_ANSWERS, ..ServeLimits::default() };
        let (public_routes, internal_routes) = wired.routers(version);
        Ok(Self { started, public: (public, public_routes), internal: (internal, internal_routes), wired, limits })
    }

    /// Serves until `shutdown`: then no new work is taken, running work goes back to the queue uncounted, answers that
    /// are on their way are finished.
    pub async fn run(self, shutdown: CancellationToken) -> Result<()> {
        let Self { public, internal, wired, limits, .. } = self;
        let tasks = TaskTracker::new();
        let background = Background::new(wired.world.clone(), &wired.config.sweep);
        let deliveries = CancellationToken::new();
        tasks.spawn(wired.queue.clone().deliver(deliveries.clone()));
        tasks.spawn(background.run(shutdown.clone()));
        // The worker's listener outlives the public one: work that is put back still answers the queue.
        let internal_down = CancellationToken::new();
        let internal_limits = ServeLimits { shutdown: LAST_WORK, ..limits.clone() };
        tasks.spawn(serve(internal.0, internal.1, internal_limits, internal_down.clone()));
        let public = serve(public.0, public.1, limits, shutdown.clone());
        // Both, whichever sees the signal first: without connections the listener ends at once.
        let stop_work = async {
            shutdown.cancelled().await;
            deliveries.cancel();
            wired.stop_work.cancel();
            wired.end_streams.cancel();
        };
        tokio::join!(public, stop_work);
        internal_down.cancel();
        tasks.close();
        if tokio::time::timeout(LAST_WORK, tasks.wait()).await.is_err() {
            tracing::warn!("some work did not end in time and is cut off; its lease runs out");
        }
        Ok(())
    }
}

async fn listen(config: &Config) -> Result<(TcpListener, TcpListener)> {
    let address = |key: &str, text: &str| -> Result<SocketAddr> {
        text.parse()
            .with_context(|| format!("configuration: {key} must be HOST:PORT with a numeric host, not `{text}`"))
    };
    let server = &config.server;
    let internal = address("server.internal_listen", &server.internal_listen)?;
    anyhow::ensure!(
        internal.ip().is_loopback(),
        "configuration: server.internal_listen must be a loopback address: it is for the queue in this process only"
    );
    let public = address("server.listen", &server.listen)?;
    let open = |at: SocketAddr| async move {
        TcpListener::bind(at).await.with_context(|| format!("cannot listen on {at}: is another server running there?"))
    };
    Ok((open(public).await?, open(internal).await?))
}

/// An address that a client can use: "everywhere" is no place to go to.
fn shown(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}
