//! Who is asking: a bearer token becomes a uid.

use async_trait::async_trait;
use domain::Uid;

use crate::error::Result;

/// Why a token is refused. `detail` is for the person who holds it; it never repeats the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub detail: String,
}

#[async_trait]
pub trait Identity: Send + Sync + 'static {
    /// Checks signature, audience, issuer and times. `Ok(Err(_))`: the token is bad. `Err(_)`: it could not be checked
    /// (keys unreachable), which is our trouble and not the caller's.
    async fn verify(&self, token: &str) -> Result<std::result::Result<Uid, Denied>>;
}

/// Who delivers a task: beside the shared secret, a token that the queue's service signed for its account. Where tasks
/// come from a queue of our own there is none.
#[async_trait]
pub trait TaskIdentity: Send + Sync + 'static {
    /// As [`Identity::verify`]: `Ok(Err(_))` is a bad token, `Err(_)` our trouble.
    async fn verify(&self, token: &str) -> Result<std::result::Result<(), Denied>>;
}
