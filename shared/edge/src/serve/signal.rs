//! The signals that end the server: SIGTERM from the platform, SIGINT from the terminal. And the one that makes it load
//! certificates and settings again: SIGHUP.

use std::io;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Signals that come sooner after the first one belong to the same order to stop.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_millis(500);

/// A token that is cancelled by the first SIGTERM or SIGINT. A second one ends the process at once: nothing that was accepted
/// is lost, because a kill loses nothing either.
pub fn shutdown_signal() -> io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = Signals::register()?;
    let stop = token.clone();
    tokio::spawn(async move {
        let (name, _) = signals.next().await;
        tracing::info!(signal = name, "shutting down; a second signal ends the program at once");
        stop.cancel();
        let first = now();
        loop {
            let (name, code) = signals.next().await;
            // Some platforms send two signals for one order to stop.
            if first.elapsed() >= SECOND_SIGNAL_AFTER {
                tracing::warn!(signal = name, "ended at once; the next start continues what was under way");
                std::process::exit(code);
            }
        }
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

#[expect(clippy::disallowed_methods, reason = "the time between two signals; a test sends real signals")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// The handlers are registered here and not at the first poll, so that a signal right after the start is not lost.
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next signal, and the exit code of a program that it ends.
    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.interrupt.recv() => ("SIGINT", 130),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn register() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> (&'static str, i32) {
        // The handler could not be installed: no signal will ever arrive.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        ("Ctrl-C", 130)
    }
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
