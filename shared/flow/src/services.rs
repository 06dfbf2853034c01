//! The services that a use case works with: the ports, the settings, and the state of the instance.

use std::sync::Arc;

use audio::Detection;
use domain::Timestamp;

use crate::instance::Instance;
use crate::ports::{Admission, Blobs, Clock, Feed, Push, Queue, Random, Store, Uploads};
use crate::settings::Settings;
use crate::staging::Staging;

#[derive(Clone)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub feed: Arc<dyn Feed>,
    pub blobs: Arc<dyn Blobs>,
    pub uploads: Arc<dyn Uploads>,
    pub queue: Arc<dyn Queue>,
    pub push: Arc<dyn Push>,
    pub admission: Arc<dyn Admission>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// The speech detection of the first pass.
    pub detection: Detection,
    pub settings: Arc<Settings>,
    pub staging: Staging,
    pub instance: Arc<Instance>,
}

impl Services {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn clock_is_set(&self) -> bool {
        self.instance.clock_guard.set_since(self.now()).is_some()
    }

    /// Waits until the clock is set, and returns since when it is.
    pub async fn until_clock_is_set(&self) -> Timestamp {
        self.instance.clock_guard.until_set(&*self.clock).await
    }
}
