//! Sharing of the decode permit during the first pass: because that takes long, the permit is released to other users now
//! and then.

use std::sync::{Arc, Mutex, PoisonError};

use audio::{Detection, Detector, Region};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::decode_permits::DecodePermit;

/// The samples after which the permit may be released: 10 s at 16 kHz, a few hundredths of a second of work.
const EVERY_SAMPLES: usize = 160_000;

/// The decode permit of a thread that runs the first pass.
#[derive(Clone)]
pub struct Sharing {
    permit: Arc<Mutex<DecodePermit>>,
    runtime: Handle,
    gone: CancellationToken,
}

impl Sharing {
    /// Has to be called within a runtime. When the guard is dropped, nobody needs the result any more.
    pub fn of(permit: DecodePermit) -> (Self, DropGuard) {
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        (Self { permit: Arc::new(Mutex::new(permit)), runtime: Handle::current(), gone }, guard)
    }

    /// The given detection, with detectors that share the permit while they work.
    pub fn detection(&self, detection: Detection) -> Detection {
        let sharing = self.clone();
        Detection::new(move || {
            Box::new(SharingDetector { detector: detection.detector(), sharing: sharing.clone(), since_shared: 0 })
        })
    }

    fn yield_to_others(&self) {
        // The permit stays valid after a panic elsewhere.
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        permit.yield_to_others(&self.runtime, self.gone.cancelled());
    }
}

struct SharingDetector {
    detector: Box<dyn Detector>,
    sharing: Sharing,
    since_shared: usize,
}

impl Detector for SharingDetector {
    fn push(&mut self, samples: &[f32]) {
        self.since_shared += samples.len();
        if self.since_shared >= EVERY_SAMPLES {
            self.since_shared = 0;
            self.sharing.yield_to_others();
        }
        self.detector.push(samples);
    }

    fn finish(&mut self) -> Vec<Region> {
        self.detector.finish()
    }

    fn fresh(&self) -> Box<dyn Detector> {
        Box::new(Self { detector: self.detector.fresh(), sharing: self.sharing.clone(), since_shared: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::process::decode_permits::DecodePermits;

    async fn soon<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), what).await.expect("it hangs")
    }

    #[tokio::test]
    async fn other_user_decodes_during_the_first_pass_over_a_long_recording() {
        let decode_permits = DecodePermits::with_permits(1);
        let (sharing, _guard) = Sharing::of(decode_permits.acquire(&"ann".into()).await);
        let mut detector = sharing.detection(Detection::energy()).detector();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let listens = tokio::task::spawn_blocking(move || {
            while !is_over.load(Ordering::Relaxed) {
                detector.push(&[0.0; 16_000]);
            }
            detector.finish()
        });
        for _ in 0..3 {
            drop(soon(decode_permits.acquire(&"bob".into())).await);
        }
        over.store(true, Ordering::Relaxed);
        soon(listens).await.unwrap();
        drop(sharing);
        drop(soon(decode_permits.acquire(&"bob".into())).await);
    }

    #[tokio::test]
    async fn ended_delivery_does_not_wait_for_its_permit() {
        let decode_permits = DecodePermits::with_permits(1);
        let (sharing, guard) = Sharing::of(decode_permits.acquire(&"ann".into()).await);
        let bob = tokio::spawn({
            let decode_permits = decode_permits.clone();
            async move { decode_permits.acquire(&"bob".into()).await }
        });
        let listens = tokio::task::spawn_blocking(move || {
            let mut detector = sharing.detection(Detection::energy()).detector();
            for _ in 0..1_000_000 {
                detector.push(&[0.0; 16_000]);
                if detector.finish().is_empty() && sharing.gone.is_cancelled() {
                    return;
                }
            }
            panic!("it was not told");
        });
        let his = soon(bob).await.unwrap();
        drop(guard);
        soon(listens).await.unwrap();
        drop(his);
    }
}
