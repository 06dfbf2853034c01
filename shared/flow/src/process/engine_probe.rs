//! A probe that finds out whether the engine answers at all: one file sends the built-in sample for all files that want to
//! know.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

/// The last result of the probe.
#[derive(Default)]
pub struct EngineProbe {
    /// Whether the engine returned text for the sample. Locked while the engine is being called.
    last: Mutex<bool>,
    asked: AtomicU64,
}

impl EngineProbe {
    /// A result that is newer than this call: the result of `ask`, or of a concurrent caller's probe.
    pub async fn answer_after_now(&self, ask: impl Future<Output = bool>) -> bool {
        let before = self.asked.load(Ordering::Relaxed);
        let mut last = self.last.lock().await;
        if self.asked.load(Ordering::Relaxed) == before {
            *last = ask.await;
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        *last
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use futures_util::future::{join, pending};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_a_probe_and_later_ones_start_a_new_one() {
        let (engine_probe, times) = (EngineProbe::default(), Cell::new(0));
        let ask = async |heard: bool| {
            times.set(times.get() + 1);
            yield_now().await;
            heard
        };
        assert_eq!(
            join(engine_probe.answer_after_now(ask(true)), engine_probe.answer_after_now(ask(false))).await,
            (true, true)
        );
        assert_eq!(times.get(), 1);
        assert!(!engine_probe.answer_after_now(ask(false)).await, "an engine may fall silent");
        assert_eq!(times.get(), 2);
    }

    #[tokio::test]
    async fn dropped_probe_is_started_again_by_the_next_caller() {
        let engine_probe = EngineProbe::default();
        let mut first = Box::pin(engine_probe.answer_after_now(pending()));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(engine_probe.answer_after_now(async { true }));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(second.now_or_never(), Some(true));
    }
}
