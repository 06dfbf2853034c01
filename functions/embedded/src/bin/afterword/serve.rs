//! `afterword serve`.

use std::io::Write;

use anyhow::{Context, Result};
use config::Layers;
use embedded::{Options, Server};

use crate::args::Serve;
use crate::banner;

pub fn run(args: Serve) -> Result<()> {
    let config = Layers::of_process(args.config.as_deref())?
        .flag("server.listen", args.listen, "--listen")
        .flag("server.tls_cert", args.tls_cert, "--tls-cert")
        .flag("server.tls_key", args.tls_key, "--tls-key")
        .flag("engine.name", args.engine, "--engine")
        .config()?;
    let _flush_at_end = edge::telemetry::init(&config.log).context("cannot write a log")?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(serve(
        args.json,
        Options { data_dir: args.data.data_dir, config, version: env!("CARGO_PKG_VERSION") },
    ));
    // Remaining tasks are not waited for: the server has waited for what matters.
    runtime.shutdown_background();
    done
}

async fn serve(json: bool, options: Options) -> Result<()> {
    let shutdown = edge::shutdown_signal().context("cannot listen for signals")?;
    let server = Server::start(options).await?;
    let greeting = if json { banner::json(&server.started) + "\n" } else { banner::text(&server.started) };
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(greeting.as_bytes()).and_then(|()| std::io::stdout().flush());
    server.run(shutdown).await
}

/// Raises the limit of open files. The usual soft limit of 1,024 is less than `server.max_connections`, and the hard
/// limit may be used. If raising fails, connections wait until others end.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files cannot be raised");
    }
}
