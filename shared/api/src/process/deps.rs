//! The dependencies of the process function. It cannot be built without a valid task secret.

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
    /// Required in addition to the secret, where tasks come from a service that signs them.
    pub identity: Option<Arc<dyn TaskIdentity>>,
}
