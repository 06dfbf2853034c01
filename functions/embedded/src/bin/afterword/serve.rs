//! `afterword serve`.

use std::io::{IsTerminal, Write};

use anyhow::{Context, Result};
use config::{Config, ConfigError, Layers};
use embedded::{Options, Server};
use tokio::sync::watch;

use crate::args::Serve;
use crate::banner;
use crate::open_files;

pub fn run(args: &Serve) -> Result<()> {
    let mut config = configuration(args)?;
    let _flush_at_end = edge::telemetry::init(&config.log).context("cannot write a log")?;
    open_files::prepare(&mut config.server.limits.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let done = runtime.block_on(serve(args, config));
    // Remaining tasks are not waited for: the server has waited for what matters.
    runtime.shutdown_background();
    done
}

fn configuration(args: &Serve) -> Result<Config, ConfigError> {
    Layers::of_process(args.config.as_deref())?
        .flag("server.listen", args.listen.clone(), "--listen")
        .flag("server.tls_cert", args.tls_cert.clone(), "--tls-cert")
        .flag("server.tls_key", args.tls_key.clone(), "--tls-key")
        .flag("engine.name", args.engine.clone(), "--engine")
        .config()
}

async fn serve(args: &Serve, config: Config) -> Result<()> {
    let shutdown = edge::shutdown_signal().context("cannot listen for signals")?;
    let reload = edge::reload_signal().context("cannot listen for signals")?;
    let options = Options { data_dir: args.data.data_dir.clone(), config, version: env!("CARGO_PKG_VERSION") };
    let server = Server::start(options).await?;
    server.started.log();
    let mut stdout = std::io::stdout();
    let greeting = if args.json {
        banner::json(&server.started) + "\n"
    } else {
        banner::text(&server.started, stdout.is_terminal())
    };
    // A closed standard output is no reason not to serve.
    let _ = stdout.write_all(greeting.as_bytes()).and_then(|()| stdout.flush());
    let reloads = reload.clone();
    tokio::select! {
        done = server.run(shutdown, reload) => done,
        never = reload_log_level(args, reloads) => match never {},
    }
}

/// Reads the configuration again at each SIGHUP, for the level of the log. All other settings need a new start.
async fn reload_log_level(args: &Serve, mut reloads: watch::Receiver<u64>) -> std::convert::Infallible {
    while reloads.changed().await.is_ok() {
        match configuration(args) {
            Ok(config) => {
                edge::telemetry::change_filter(&config.log.filter);
                tracing::info!(signal = "SIGHUP", filter = %config.log.filter, "the level of the log was loaded again");
            }
            Err(error) => {
                tracing::error!(signal = "SIGHUP", %error, "the configuration cannot be loaded; nothing changes")
            }
        }
    }
    std::future::pending().await
}
