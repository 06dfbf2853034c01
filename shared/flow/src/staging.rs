//! The uploads that are arriving in this process: their blobs have no job yet, and are no orphans.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::JobId;

#[derive(Clone, Default)]
pub struct Staging(Arc<Mutex<HashSet<JobId>>>);

/// An upload under way. Dropped when its job stands, or when it was given up.
pub struct Begun {
    staging: Staging,
    job: JobId,
}

impl Staging {
    pub fn begin(&self, job: JobId) -> Begun {
        self.lock().insert(job);
        Begun { staging: self.clone(), job }
    }

    pub fn contains(&self, job: JobId) -> bool {
        self.lock().contains(&job)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<JobId>> {
        // A set of ids is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.staging.lock().remove(&self.job);
    }
}
