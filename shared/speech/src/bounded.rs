//! An engine with a limit on concurrent calls. The permits are shared by all callers and go round by user.

use std::sync::Arc;

use async_trait::async_trait;

use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Transcript};
use crate::permits::{Permits, User};

/// An engine whose calls need a permit; all calls belong to one user. The caller decides how long a call may wait: a call
/// that is dropped gives its permit back or leaves the queue.
pub struct Bounded {
    engine: Arc<dyn Engine>,
    permits: Arc<Permits>,
    user: User,
}

impl Bounded {
    pub fn around(engine: Arc<dyn Engine>, permits: Arc<Permits>, user: User) -> Self {
        Self { engine, permits, user }
    }
}

#[async_trait]
impl Engine for Bounded {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        let unbounded = self.engine.capabilities();
        Capabilities { concurrency: unbounded.concurrency.min(self.permits.all()), ..unbounded }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let _permit = self.permits.acquire(&self.user).await;
        self.engine.transcribe(audio, hints).await
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::engine::Languages;

    /// An engine whose calls finish when the gate lets them. It records which calls are running.
    struct Gated {
        gate: Semaphore,
        inside: Mutex<Vec<usize>>,
        most: AtomicUsize,
    }

    impl Gated {
        fn new() -> Arc<Self> {
            Arc::new(Self { gate: Semaphore::new(0), inside: Mutex::default(), most: AtomicUsize::new(0) })
        }
    }

    struct Inside<'a>(&'a Gated, usize);

    impl Drop for Inside<'_> {
        fn drop(&mut self) {
            self.0.inside.lock().unwrap().retain(|call| *call != self.1);
        }
    }

    #[async_trait]
    impl Engine for Gated {
        fn name(&self) -> &str {
            "gated"
        }

        fn capabilities(&self) -> Capabilities {
            let span = std::time::Duration::from_secs(15);
            let languages = Languages::Any;
            Capabilities {
                preferred_span: span,
                max_span: span,
                concurrency: 8,
                words: false,
                speakers: false,
                languages,
                opus: false,
            }
        }

        async fn transcribe(&self, audio: Audio<'_>, _: &Hints) -> Result<Transcript, EngineError> {
            let _inside = {
                let mut inside = self.inside.lock().unwrap();
                inside.push(audio.samples.len());
                self.most.fetch_max(inside.len(), Ordering::Relaxed);
                Inside(self, audio.samples.len())
            };
            self.gate.acquire().await.unwrap().forget();
            Ok(Transcript::default())
        }

        async fn ready(&self) -> Result<(), EngineError> {
            Ok(())
        }
    }

    fn bounded(gated: &Arc<Gated>, permits: usize) -> Bounded {
        Bounded::around(Arc::clone(gated) as Arc<dyn Engine>, Permits::new(permits), "ann".into())
    }

    #[tokio::test]
    async fn concurrency_is_limited_by_the_permits_and_reported_to_callers() {
        let gated = Gated::new();
        let limited = bounded(&gated, 3);
        assert_eq!(limited.capabilities().concurrency, 3);
        assert_eq!(bounded(&gated, 20).capabilities().concurrency, 8);
        let (samples, hints) = ([0.0; 20], Hints::default());
        let mut calls = join_all((0..20).map(|call| limited.transcribe(Audio::new(&samples[..call]), &hints)));
        assert!((&mut calls).now_or_never().is_none());
        assert_eq!((limited.permits.in_use(), limited.permits.waiting()), (3, 17));
        gated.gate.add_permits(20);
        assert!(calls.await.iter().all(Result::is_ok));
        assert_eq!(gated.most.load(Ordering::Relaxed), 3);
        assert_eq!((limited.permits.in_use(), limited.permits.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn longest_waiting_call_is_next_and_dropped_calls_leave_the_queue() {
        let gated = Gated::new();
        let limited = bounded(&gated, 1);
        let (samples, hints) = ([0.0; 5], Hints::default());
        let mut calls: Vec<_> =
            (0..5).map(|call| Some(limited.transcribe(Audio::new(&samples[..call]), &hints))).collect();
        for call in calls.iter_mut().flatten() {
            assert!(call.now_or_never().is_none());
        }
        assert_eq!((limited.permits.in_use(), limited.permits.waiting()), (1, 4));
        // One waiting call leaves the queue, and the running call gives its permit back.
        calls[1] = None;
        calls[0] = None;
        assert_eq!((limited.permits.in_use(), limited.permits.waiting()), (1, 2), "the permit is handed on at once");
        let mut order = Vec::new();
        for _ in 0..3 {
            for call in &mut calls {
                if let Some(waiting_call) = call
                    && waiting_call.now_or_never().is_some()
                {
                    *call = None;
                }
            }
            order.extend(gated.inside.lock().unwrap().clone());
            gated.gate.add_permits(1);
        }
        assert_eq!(order, [2, 3, 4]);
    }
}
