//! Permits for decoding and speech detection, shared by all jobs of the process: as many as there are cores. Users get them
//! in turn.

use std::sync::Arc;

use speech::permits::{Permit, Permits, User};
use tokio::runtime::Handle;

#[derive(Clone)]
pub struct DecodePermits {
    permits: Arc<Permits>,
}

impl DecodePermits {
    pub fn with_permits(permits: usize) -> Self {
        Self { permits: Permits::new(permits) }
    }

    /// Waits for a permit. Dropping the future ends the wait.
    pub async fn acquire(&self, user: &User) -> DecodePermit {
        DecodePermit {
            decode_permits: self.clone(),
            held: Some(self.permits.acquire(user).await),
            user: Arc::clone(user),
        }
    }
}

/// A permit, which the decoding thread holds until it has ended.
pub struct DecodePermit {
    decode_permits: DecodePermits,
    held: Option<Permit>,
    user: User,
}

impl DecodePermit {
    /// Releases the permit if another user has none and waits for one, and waits for the next free one.
    pub fn yield_to_others(&mut self, runtime: &Handle, gone: impl Future) {
        if self.held.as_ref().is_some_and(Permit::wanted_by_others) {
            self.release_while(runtime, std::future::ready(()), gone);
        }
    }

    /// Releases the permit while this thread waits for something else, and acquires one again afterwards. If `gone`
    /// resolves, nobody needs the decoded audio any more, and the thread continues without a permit.
    pub fn release_while(&mut self, runtime: &Handle, wait: impl Future, gone: impl Future) {
        self.held = None;
        runtime.block_on(wait);
        self.held = runtime.block_on(async {
            tokio::select! {
                permit = self.decode_permits.permits.acquire(&self.user) => Some(permit),
                _ = gone => None,
            }
        });
    }
}
