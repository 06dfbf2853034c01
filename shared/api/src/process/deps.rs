//! What the function needs. It cannot be built without a fit secret.

use std::sync::Arc;

use edge::TaskSecret;
use flow::Services;
use flow::ports::TaskIdentity;
use flow::process::Worker;

#[derive(Clone)]
pub struct Deps {
    pub services: Services,
    pub worker: Arc<Worker>,
    pub secret: Arc<TaskSecret>,
    /// Demanded beside the secret, where tasks come from a service that signs them.
    pub identity: Option<Arc<dyn TaskIdentity>>,
}
