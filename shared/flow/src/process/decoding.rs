//! The places in which recordings are decoded and searched for speech: as many at once as there are cores, over all jobs
//! of the process. Whoever waits longest is next.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Clone)]
pub struct Decoding {
    places: Arc<Semaphore>,
}

impl Decoding {
    pub fn with_places(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places.max(1))) }
    }

    /// Waits for a place; dropped, it waits no more.
    pub async fn place(&self) -> Place {
        Place { decoding: self.clone(), held: self.take().await }
    }

    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the places: that there is none cannot happen, and would bound nothing more.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

/// Held by the thread that decodes, until it has ended.
pub struct Place {
    decoding: Decoding,
    held: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Gives the place to others while this thread waits for something else. `gone` ends the waiting for the way back:
    /// then nobody wants what would be decoded, and there is no place.
    pub fn leave_for(&mut self, runtime: &Handle, wait: impl Future, gone: impl Future) {
        self.held = None;
        runtime.block_on(wait);
        self.held = runtime.block_on(async {
            tokio::select! {
                place = self.decoding.take() => place,
                _ = gone => None,
            }
        });
    }
}
