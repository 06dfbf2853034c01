//! The permits for decoding and for searching for speech: as many as there are cores, over all jobs of the process. They
//! go round by user.

use std::sync::Arc;

use speech::permits::{Permit, Permits, User};
use tokio::runtime::Handle;

#[derive(Clone)]
pub struct DecodePermits {
    permits: Arc<Permits>,
}

impl DecodePermits {
    pub fn with_permits(job_permits: usize) -> Self {
        Self { permits: Permits::new(job_permits) }
    }

    /// Waits for a place; dropped, it waits no more.
    pub async fn place(&self, user: &User) -> DecodePermit {
        DecodePermit {
            decode_permits: self.clone(),
            held: Some(self.permits.acquire(user).await),
            user: Arc::clone(user),
        }
    }
}

/// Held by the thread that decodes, until it has ended.
pub struct DecodePermit {
    decode_permits: DecodePermits,
    held: Option<Permit>,
    user: User,
}

impl DecodePermit {
    /// Gives the place to another user who has none and waits for one, and takes the next one that is free for it.
    pub fn give_way(&mut self, runtime: &Handle, gone: impl Future) {
        if self.held.as_ref().is_some_and(Permit::wanted_by_others) {
            self.leave_for(runtime, std::future::ready(()), gone);
        }
    }

    /// Gives the place to others while this thread waits for something else. `gone` ends the waiting for the way back:
    /// then nobody wants what would be decoded, and there is no place.
    pub fn leave_for(&mut self, runtime: &Handle, wait: impl Future, gone: impl Future) {
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
