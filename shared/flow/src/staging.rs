//! Uploads that are arriving in this process. Their blobs belong to no job yet, but are not orphans.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::JobId;

#[derive(Clone, Default)]
pub struct Staging(Arc<Mutex<HashSet<JobId>>>);

/// A guard for an upload under way. It is dropped when the job exists, or when the upload was given up.
pub struct StagingGuard {
    staging: Staging,
    job: JobId,
}

impl Staging {
    pub fn begin(&self, job: JobId) -> StagingGuard {
        self.lock().insert(job);
        StagingGuard { staging: self.clone(), job }
    }

    pub fn contains(&self, job: JobId) -> bool {
        self.lock().contains(&job)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<JobId>> {
        // A set of ids stays valid after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StagingGuard {
    fn drop(&mut self) {
        self.staging.lock().remove(&self.job);
    }
}
