//! Signals that end a command which has something to clean up: the first one asks it to end, the second one ends it at
//! once. Either way nothing incomplete stays.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::end_request::Stop;
use crate::output::{EndedBySignal, tell};

const SIGNALS: [(&str, Signal); 3] = [("SIGINT", Signal::INT), ("SIGTERM", Signal::TERM), ("SIGHUP", Signal::HUP)];
const NONE: usize = SIGNALS.len();

pub struct Interrupt {
    /// Is set by the first signal.
    pub stop: Stop,
    /// Which of [`SIGNALS`] came.
    came: Arc<AtomicUsize>,
}

impl Interrupt {
    /// From now on these signals no longer kill the process. One that the process was told to ignore, as by `nohup`,
    /// stays ignored.
    pub fn listen(program: &'static str) -> io::Result<Self> {
        let interrupt = Self { stop: Stop::default(), came: Arc::new(AtomicUsize::new(NONE)) };
        let (stop, came) = (interrupt.stop.clone(), Arc::clone(&interrupt.came));
        let (ready, is_ready) = mpsc::channel();
        let wait = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let registered = register();
                let _ = ready.send(());
                if let Ok(signals) = registered {
                    end_with(program, signals, &stop, &came).await;
                }
            });
        };
        std::thread::Builder::new().name("signals".into()).spawn(wait)?;
        let _ = is_ready.recv();
        Ok(interrupt)
    }

    /// The signal that came, as the error of a command that it ended.
    pub fn signal(&self, outcome: impl Display) -> Option<EndedBySignal> {
        let (name, signal) = SIGNALS.get(self.came.load(Ordering::Relaxed))?;
        Some(EndedBySignal {
            name,
            number: u8::try_from(signal.as_raw()).unwrap_or_default(),
            outcome: outcome.to_string(),
        })
    }
}

/// Asks the command to end with the first signal, and ends the process with the second one. What is unfinished is removed
/// also then: a service manager may send SIGTERM and SIGHUP in the same moment.
async fn end_with(program: &str, mut signals: UnboundedReceiver<usize>, stop: &Stop, came: &AtomicUsize) {
    came.store(signals.recv().await.unwrap_or(NONE), Ordering::Relaxed);
    stop.set();
    tell(program, "ending, and removing what is not complete; a second signal ends this at once");
    if let Some(second) = signals.recv().await {
        for path in stop.remove_unfinished() {
            tell(program, format_args!("{}: this is not complete and could not be removed: remove it", path.display()));
        }
        std::process::exit(128 + SIGNALS[second].1.as_raw());
    }
}

/// A channel on which the index of each signal arrives.
fn register() -> io::Result<UnboundedReceiver<usize>> {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    let ignored = ignored_signals();
    for (index, (_, number)) in SIGNALS.iter().enumerate() {
        if ignored & (1 << (number.as_raw() - 1)) != 0 {
            continue;
        }
        let mut stream = signal(SignalKind::from_raw(number.as_raw()))?;
        let send = send.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                let _ = send.send(index);
            }
        });
    }
    Ok(receive)
}

/// The signals that this process ignores, as bits. Only Linux tells them.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
