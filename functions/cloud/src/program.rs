//! A function as a program: its command line, its start, its end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use clap::Parser;
use config::{Layers, LogFormat};
use edge::Check;
use edge::telemetry::{Format, Telemetry};
use flow::census::Watch;
use flow::process::Worker;
use hosting::Platform;
use tokio_util::sync::CancellationToken;

use crate::adapters::{Adapters, adapters};
use crate::args::{Args, Command};
use crate::environment::Environment;
use crate::options::Options;
use crate::{doctor, door};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Upload,
    Process,
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "afterword-upload",
            Self::Process => "afterword-process",
        }
    }
}

/// Exit codes: 0 done, 1 failed, 2 wrong usage (by clap).
pub fn main(function: Function) -> ExitCode {
    match run(function, Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, the whole chain of causes in it.
            eprintln!("{}: {error:#}", function.name());
            ExitCode::FAILURE
        }
    }
}

fn run(function: Function, args: Args) -> Result<()> {
    let layers = layers(args.config.as_deref())?;
    let command = args.command.unwrap_or(Command::Serve);
    if let Command::Config = command {
        layers.config()?.settings()?;
        print!("{}", layers.show());
        return Ok(());
    }
    let config = layers.config()?;
    let variable = |name: &str| std::env::var(name).ok();
    let platform = Platform::of(variable, config.cloud.http2)?;
    let options = Options::new(config, Environment::read(variable), platform)?;
    edge::telemetry::init(&telemetry(&options)).context("configuration: log.level")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(async {
        match command {
            Command::Doctor => doctor::run(function, &options).await,
            Command::Serve | Command::Config => serve(function, options).await,
        }
    });
    // Nothing that is left is waited for: what matters was waited for.
    runtime.shutdown_background();
    done
}

/// Default, file, environment.
fn layers(file: Option<&Path>) -> Result<Layers> {
    let mut layers = Layers::defaults()?;
    if let Some(file) = file {
        layers = layers.file(file)?;
    }
    // A variable that is no text is not one of ours.
    let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    Ok(layers.env(variables)?)
}

fn telemetry(options: &Options) -> Telemetry {
    let format = match options.config.log.format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    Telemetry { filter: options.config.log.level.clone(), format }
}

/// What ends when the process is asked to end.
#[derive(Clone, Default)]
struct Ends {
    /// Running jobs go back to the queue.
    work: CancellationToken,
    /// Answers that would go on for minutes.
    streams: CancellationToken,
}

async fn serve(function: Function, options: Options) -> Result<()> {
    let shutdown = edge::shutdown_signal().context("cannot listen for signals")?;
    edge::metrics::install();
    flow::counted::describe();
    gcp::store::describe();
    let adapters = adapters(&options)?;
    edge::metrics::describe_process(env!("CARGO_PKG_VERSION"), adapters.world.now());
    let ends = Ends::default();
    let router = match function {
        Function::Upload => upload(&options, adapters, &ends),
        Function::Process => process(&options, adapters, &ends)?,
    };
    let (asked, ends) = (shutdown.clone(), ends);
    tokio::spawn(async move {
        asked.cancelled().await;
        ends.work.cancel();
        ends.streams.cancel();
    });
    let (platform, limits) = (options.platform, door::serve_limits(&options.config));
    Ok(hosting::serve(platform, router, limits, shutdown, |at| greet(function, &options, at)).await?)
}

fn greet(function: Function, options: &Options, at: Option<SocketAddr>) {
    let emulators = options.environment.emulators();
    if !emulators.is_empty() {
        tracing::warn!(?emulators, "not Google: emulators stand in for its services");
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

fn upload(options: &Options, adapters: Adapters, ends: &Ends) -> Router {
    let Adapters { world, identity, .. } = adapters;
    let checks = checks(&world);
    let (random, watched) = (Arc::clone(&world.random), world.clone());
    let deps = upload::Deps {
        world,
        identity,
        secret: Arc::clone(&options.secret),
        shutdown: ends.streams.clone(),
        receives: None,
        public_url: None,
    };
    let router = upload::routes(deps)
        .merge(edge::health::routes(env!("CARGO_PKG_VERSION"), checks))
        .merge(metrics(watched, None))
        .merge(edge::error_pages::routes());
    edge::wrap_with(router, random, door::requests(&options.config))
}

fn process(options: &Options, adapters: Adapters, ends: &Ends) -> Result<Router> {
    let Adapters { world, task_identity, .. } = adapters;
    let engine = hearing::engine(&options.config)?;
    let mut checks = checks(&world);
    let asked = Arc::clone(&engine);
    checks.push(Check::new("engine", "The speech engine is not ready.", move || {
        let engine = Arc::clone(&asked);
        async move {
            let not_ready = |error| flow::Error::new(flow::Kind::Unavailable, "engine.ready", "").because(error);
            engine.ready().await.map_err(not_ready)
        }
    }));
    let (random, watched) = (Arc::clone(&world.random), world.clone());
    let worker = Arc::new(Worker::new(world.clone(), engine, ends.work.clone()));
    let shown = Arc::clone(&worker);
    let deps = process::Deps { world, worker, secret: Arc::clone(&options.secret), identity: task_identity };
    let router = process::routes(deps)
        .merge(edge::health::routes(env!("CARGO_PKG_VERSION"), checks))
        .merge(metrics(watched, Some(shown)));
    Ok(edge::wrap_with(router, random, door::requests(&options.config)))
}

fn metrics(world: flow::World, worker: Option<Arc<Worker>>) -> Router {
    let watch = Arc::new(Watch::default());
    edge::metrics::routes(move || {
        if let Some(worker) = &worker {
            worker.show_calls();
        }
        let (world, watch) = (world.clone(), Arc::clone(&watch));
        async move { watch.look(&world).await }
    })
}

fn checks(world: &flow::World) -> Vec<Check> {
    let (store, blobs, queue) = (Arc::clone(&world.store), Arc::clone(&world.blobs), Arc::clone(&world.queue));
    vec![
        Check::new("store", "The job store does not answer.", move || {
            let store = Arc::clone(&store);
            async move { store.ready().await }
        }),
        Check::new("blobs", "No audio can be stored.", move || {
            let blobs = Arc::clone(&blobs);
            async move { blobs.ready().await }
        }),
        Check::new("queue", "The task queue does not answer.", move || {
            let queue = Arc::clone(&queue);
            async move { queue.ready().await }
        }),
    ]
}
