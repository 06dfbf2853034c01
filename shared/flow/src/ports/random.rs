//! The source of randomness, so that tests can replay a run from its seed.

use domain::{JobId, Nonce};
use uuid::Uuid;

pub trait Random: Send + Sync + 'static {
    /// A random (v4) UUID.
    fn uuid(&self) -> Uuid;

    /// A number that is uniform in `0.0..1.0`, for jitter.
    fn unit(&self) -> f64;

    fn job_id(&self) -> JobId {
        JobId(self.uuid())
    }

    fn nonce(&self) -> Nonce {
        Nonce(self.uuid())
    }
}
