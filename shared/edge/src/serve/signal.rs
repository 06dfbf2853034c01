//! The signals that end the server: SIGTERM from the platform, SIGINT from the terminal. And the one that makes it load
//! certificates and settings again: SIGHUP.

use std::io;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. Once this has been called, these signals no longer kill
/// the process.
pub fn shutdown_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signal = signals()?;
    let stop = token.clone();
    tokio::spawn(async move {
        let name = signal.await;
        tracing::info!(signal = name, "shutting down");
        stop.cancel();
    });
    Ok(token)
}

/// Counts the signals SIGHUP, each of which asks to load certificates and settings again. Once this has been called, this
/// signal no longer kills the process.
#[cfg(unix)]
pub fn reload_signal() -> io::Result<watch::Receiver<u64>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(counted)
}

/// Other systems have no such signal.
#[cfg(not(unix))]
pub fn reload_signal() -> io::Result<watch::Receiver<u64>> {
    Ok(watch::channel(0).1)
}

#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    // The handlers are registered here and not at the first poll, so that a signal right after the start is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = &'static str> + Send + 'static> {
    Ok(async {
        // The handler could not be installed: no signal will ever arrive.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn sigterm_cancels_the_token_and_does_not_kill_the_process() {
        let token = shutdown_signal().unwrap();
        assert!(!token.is_cancelled());
        kill_process(getpid(), Signal::TERM).unwrap();
        tokio::time::timeout(Duration::from_secs(10), token.cancelled()).await.unwrap();
    }
}
