//! Runs a function as a program: command line, start, shutdown.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use api::process::EndsAt;
use axum::Router;
use axum::middleware::{self, Next};
use config::{Layers, Origin};
use edge::health::Readiness;
use edge::{Check, ServeLimits};
use flow::Services;
use flow::job_stats::JobGauges;
use flow::ports::Clock;
use flow::process::Worker;
use system::output::exit_code;
use tokio_util::sync::CancellationToken;

use crate::adapters::{Adapters, adapters};
use crate::args::{self, Args, Command};
use crate::environment::Environment;
use crate::function::Function;
use crate::hosting::{self, Platform};
use crate::options::Options;
use crate::{doctor, moving};

/// How long answers may take after the signal. Cloud Run kills the process after ten seconds; the rest is for work that
/// is put back.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(6);

/// The key of the request timeout, which a container on Cloud Run cannot ask for.
const REQUEST_TIMEOUT: &str = "cloud.request_timeout_seconds";

/// Exit codes: 0 done, 1 failed, 2 wrong usage (by clap).
pub fn main(function: Function) -> ExitCode {
    exit_code(function.name(), run(function, args::parse(function.name())))
}

fn run(function: Function, args: Args) -> Result<()> {
    let layers = Layers::of_process(args.config.as_deref())?;
    let command = args.command.unwrap_or(Command::Serve);
    let config = layers.config()?;
    if let Command::Config = command {
        return Ok(system::output::print(layers.show())?);
    }
    let variable = |name: &str| std::env::var(name).ok();
    if let Command::Export(_) | Command::Import(_) = command {
        return moving::run(function, &command, &config, &Environment::read(variable)?);
    }
    let platform = Platform::of(variable, config.cloud.http2)?;
    let options = Options::new(config, Environment::read(variable)?, platform)?;
    let _flush_at_end = edge::telemetry::init(&options.config.log).context("cannot write a log")?;
    if command_serves_on_cloud_run(function, &command, platform) && layers.origin(REQUEST_TIMEOUT) == Origin::Default {
        warn_of_assumed_timeout(options.config.cloud.request_timeout);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(async {
        match command {
            Command::Doctor => doctor::run(function, &options).await,
            _ => serve(function, options).await,
        }
    });
    // Remaining tasks are not waited for: what matters has been waited for.
    runtime.shutdown_background();
    done
}

fn command_serves_on_cloud_run(function: Function, command: &Command, platform: Platform) -> bool {
    let serves = matches!(command, Command::Serve) && function == Function::Process;
    serves && matches!(platform, Platform::CloudRun { .. })
}

fn warn_of_assumed_timeout(assumed: Duration) {
    tracing::warn!(
        seconds = assumed.as_secs(),
        "cloud.request_timeout_seconds is not set, so that Cloud Run's own default is assumed: deliveries end before it, and \
         recordings are sent to the speech engine in shorter pieces. Set the request timeout of this service, for example to \
         1800 s, and AFTERWORD_CLOUD_REQUEST_TIMEOUT_SECONDS to the same"
    );
}

/// Tokens that are cancelled when the process shuts down.
#[derive(Clone, Default)]
struct ShutdownTokens {
    /// Cancelling this sends running jobs back to the queue.
    work: CancellationToken,
    /// Cancelling this ends answers that would go on for minutes.
    streams: CancellationToken,
}

async fn serve(function: Function, options: Options) -> Result<()> {
    let shutdown = edge::shutdown_signal().context("cannot listen for signals")?;
    edge::metrics::install();
    flow::metrics::describe();
    gcp::firestore::describe();
    let adapters = adapters(&options)?;
    // A clock that is not set is reported at the start, and not at the first request.
    adapters.services.clock_is_set();
    edge::metrics::describe_process(env!("CARGO_PKG_VERSION"), adapters.services.now());
    let ends = ShutdownTokens::default();
    let router = match function {
        Function::Upload => upload(&options, adapters, &ends),
        Function::Process => process(&options, adapters, &ends)?,
    };
    let (signal, ends) = (shutdown.clone(), ends);
    tokio::spawn(async move {
        signal.cancelled().await;
        ends.work.cancel();
        ends.streams.cancel();
    });
    let (platform, limits) =
        (options.platform, ServeLimits { shutdown: ANSWERS_DEADLINE, ..options.config.server.limits.clone() });
    Ok(crate::hosting::serve(platform, router, limits, shutdown, |at| greet(function, &options, at)).await?)
}

fn greet(function: Function, options: &Options, at: Option<SocketAddr>) {
    let emulators = options.environment.emulators();
    if !emulators.is_empty() {
        tracing::warn!(?emulators, "emulators are used in place of Google's services");
    }
    let address = at.map(|at| at.to_string());
    tracing::info!(
        function = function.name(),
        version = env!("CARGO_PKG_VERSION"),
        project = options.project,
        platform = ?options.platform,
        address,
        "ready for requests"
    );
}

fn upload(options: &Options, adapters: Adapters, ends: &ShutdownTokens) -> Router {
    let Adapters { services, identity, .. } = adapters;
    let mut checks = checks(&services);
    checks.push(Check::identity(&identity));
    let readiness = Readiness::from(checks);
    let (random, metrics_services) = (Arc::clone(&services.random), services.clone());
    let deps = api::Deps {
        services,
        identity,
        secret: Arc::clone(&options.secret),
        shutdown: ends.streams.clone(),
        receives: None,
        public_url: None,
    };
    let router = with_patience(api::routes(deps), options)
        .merge(edge::health::routes(env!("CARGO_PKG_VERSION"), readiness.clone()))
        .merge(metrics(metrics_services, None, readiness))
        .merge(edge::error_pages::routes());
    edge::wrap_with(refusing_undecodable(router), random, options.config.server.requests())
}

fn process(options: &Options, adapters: Adapters, ends: &ShutdownTokens) -> Result<Router> {
    let Adapters { services, task_identity, .. } = adapters;
    let engine = engines::engine(&options.config)?;
    let (random, clock, metrics_services) =
        (Arc::clone(&services.random), Arc::clone(&services.clock), services.clone());
    let worker = Arc::new(Worker::new(services.clone(), engine, ends.work.clone()));
    let shown = Arc::clone(&worker);
    let mut checks = checks(&services);
    checks.push(api::process::engine_check(&worker));
    checks.extend(task_identity.as_ref().map(api::process::task_identity_check));
    let readiness = Readiness::from(checks);
    let deps = api::process::Deps { services, worker, secret: Arc::clone(&options.secret), identity: task_identity };
    let router = api::process::routes(deps)
        .merge(edge::health::routes(env!("CARGO_PKG_VERSION"), readiness.clone()))
        .merge(metrics(metrics_services, Some(shown), readiness));
    let router = told_when_requests_end(router, options, Arc::clone(&clock));
    Ok(edge::wrap_with(refusing_undecodable(router), random, options.config.server.requests()))
}

/// Tells deliveries and sweeps when Cloud Run ends their request. Lambda tells it with each event.
fn told_when_requests_end(router: Router, options: &Options, clock: Arc<dyn Clock>) -> Router {
    let timeout = match options.platform {
        Platform::CloudRun { .. } => options.config.cloud.request_timeout,
        _ => return router,
    };
    router.layer(middleware::from_fn(move |mut request: axum::extract::Request, next: Next| {
        request.extensions_mut().insert(EndsAt(clock.now() + timeout));
        next.run(request)
    }))
}

/// Limits how long a request of a client waits for services that do not answer. Deliveries and sweeps, for which nobody
/// waits, are not limited: each of their calls has the whole time of a call, however many have failed before.
fn with_patience(router: Router, options: &Options) -> Router {
    let limit = options.config.cloud.call_limit;
    router
        .layer(middleware::from_fn(move |request, next: Next| flow::patience::with_patience(limit, next.run(request))))
}

/// Refuses events that cannot be decoded.
fn refusing_undecodable(router: Router) -> Router {
    router.layer(middleware::from_fn(hosting::lambda::refuse_undecodable))
}

fn metrics(services: Services, worker: Option<Arc<Worker>>, readiness: Readiness) -> Router {
    let gauges = Arc::new(JobGauges::default());
    edge::metrics::routes(move || {
        if let Some(worker) = &worker {
            worker.update_call_metrics();
        }
        let (services, gauges, readiness) = (services.clone(), Arc::clone(&gauges), readiness.clone());
        async move { tokio::join!(readiness.update_metrics(), gauges.refresh(&services)).1 }
    })
}

fn checks(services: &Services) -> Vec<Check> {
    let mut checks = Check::for_ports(&services.store, &services.blobs, &services.queue);
    checks.push(Check::clock(services));
    checks
}
