//! No more calls at once than there are places, whoever makes them: the oldest that waits goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::engine::{Audio, Capabilities, Engine, EngineError, Hints, Transcript};

/// The places for calls, and who is in them.
pub struct Places {
    /// First come, first served.
    free: Semaphore,
    all: usize,
    waiting: AtomicUsize,
}

impl Places {
    /// One, at least.
    pub fn new(all: usize) -> Arc<Self> {
        let all = all.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self { free: Semaphore::new(all), all, waiting: AtomicUsize::new(0) })
    }

    pub fn all(&self) -> usize {
        self.all
    }

    pub fn in_use(&self) -> usize {
        self.all - self.free.available_permits()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Counts a call that waits, until it is in or given up.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn in_line(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An engine with so many places. How long a call may wait is for its caller to say: dropped, it gives its place back,
/// or its turn.
pub struct Bounded {
    engine: Arc<dyn Engine>,
    places: Arc<Places>,
}

impl Bounded {
    pub fn around(engine: Arc<dyn Engine>, places: Arc<Places>) -> Self {
        Self { engine, places }
    }
}

#[async_trait]
impl Engine for Bounded {
    fn name(&self) -> &str {
        self.engine.name()
    }

    fn capabilities(&self) -> Capabilities {
        let of_engine = self.engine.capabilities();
        Capabilities { concurrency: of_engine.concurrency.min(self.places.all), ..of_engine }
    }

    async fn transcribe(&self, audio: Audio<'_>, hints: &Hints) -> Result<Transcript, EngineError> {
        let waits = Waits::in_line(&self.places.waiting);
        // Nobody closes the places: that there is no place cannot happen, and would bound nothing more.
        let _place = self.places.free.acquire().await.ok();
        drop(waits);
        self.engine.transcribe(audio, hints).await
    }

    async fn ready(&self) -> Result<(), EngineError> {
        self.engine.ready().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;
    use crate::engine::Languages;

    /// Answers when it is allowed to; knows who is being answered.
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

    #[tokio::test]
    async fn the_bound_holds_and_is_what_callers_are_told() {
        let gated = Gated::new();
        let bounded = Bounded::around(gated.clone(), Places::new(3));
        assert_eq!(bounded.capabilities().concurrency, 3);
        assert_eq!(Bounded::around(gated.clone(), Places::new(20)).capabilities().concurrency, 8);
        let (samples, hints) = ([0.0; 20], Hints::default());
        let mut calls = join_all((0..20).map(|call| bounded.transcribe(Audio::new(&samples[..call]), &hints)));
        assert!((&mut calls).now_or_never().is_none());
        assert_eq!((bounded.places.in_use(), bounded.places.waiting()), (3, 17));
        gated.gate.add_permits(20);
        assert!(calls.await.iter().all(Result::is_ok));
        assert_eq!(gated.most.load(Ordering::Relaxed), 3);
        assert_eq!((bounded.places.in_use(), bounded.places.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn whoever_waits_longest_is_next_and_whoever_is_dropped_is_out_of_the_line() {
        let gated = Gated::new();
        let bounded = Bounded::around(gated.clone(), Places::new(1));
        let (samples, hints) = ([0.0; 5], Hints::default());
        let mut calls: Vec<_> =
            (0..5).map(|call| Some(bounded.transcribe(Audio::new(&samples[..call]), &hints))).collect();
        for call in calls.iter_mut().flatten() {
            assert!(call.now_or_never().is_none());
        }
        assert_eq!((bounded.places.in_use(), bounded.places.waiting()), (1, 4));
        // One that waits gives up its turn, the one that is inside its place.
        calls[1] = None;
        calls[0] = None;
        assert_eq!((bounded.places.in_use(), bounded.places.waiting()), (1, 3), "it is handed on");
        let mut order = Vec::new();
        for _ in 0..3 {
            for call in &mut calls {
                if let Some(waits) = call
                    && waits.now_or_never().is_some()
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
