//! Randomness comes in here, so that a seed replays a run.

use domain::{JobId, Nonce};
use uuid::Uuid;

pub trait Random: Send + Sync + 'static {
    /// A random (v4) UUID.
    fn uuid(&self) -> Uuid;

    /// Uniform in `0.0..1.0`, for jitter.
    fn unit(&self) -> f64;

    fn job_id(&self) -> JobId {
        JobId(self.uuid())
    }

    fn nonce(&self) -> Nonce {
        Nonce(self.uuid())
    }
}
