//! The identity of a caller: a bearer token is verified and becomes a uid.

use async_trait::async_trait;
use domain::Uid;

use crate::error::Result;

/// Why a token is refused. `detail` is shown to the person who holds the token, and never contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    pub detail: String,
}

#[async_trait]
pub trait Identity: Send + Sync + 'static {
    /// Checks signature, audience, issuer and times. `Ok(Err(_))` means that the token is bad, `Err(_)` that it could
    /// not be checked, for example because the keys are unreachable. The latter is a fault of the service, not of the
    /// caller.
    async fn verify(&self, token: &str) -> Result<std::result::Result<Uid, Denied>>;

    /// Whether tokens can be checked now.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

/// The identity of a task's sender: besides the shared secret it presents a token that the queue's service signed for its
/// account. There is none if tasks come from a queue of our own.
#[async_trait]
pub trait TaskIdentity: Send + Sync + 'static {
    /// Like [`Identity::verify`]: `Ok(Err(_))` means that the token is bad, `Err(_)` that it could not be checked.
    async fn verify(&self, token: &str) -> Result<std::result::Result<(), Denied>>;

    /// Like [`Identity::ready`].
    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
