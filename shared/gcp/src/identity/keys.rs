//! Public keys by their ids: kept as long as their server says, and for a while longer when it cannot be asked.
//!
//! One fetch at a time. Who finds the key it needs never waits for a fetch that another began.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::Timestamp;
use flow::ports::Clock;
use flow::{Error, Kind, Result};
use jsonwebtoken::DecodingKey;
use tokio::sync::{Mutex, MutexGuard};

use super::fetch::Source;

/// With keys in hand their server is asked no more often than this, whatever key ids strangers make up.
const AGAIN: Duration = Duration::from_secs(60);
/// Without any, nobody can be let in: the next one asks sooner.
const AGAIN_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// How long keys are used after their time while their server cannot be asked. Google keeps a key for days.
const OUTLIVE: Duration = Duration::from_secs(24 * 3600);

pub struct Keys {
    source: Source,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Arc<Known>>>,
    last: Mutex<Last>,
}

struct Known {
    by_id: HashMap<String, DecodingKey>,
    since: Timestamp,
    fresh_until: Timestamp,
}

/// The last fetch. Who holds it is the one that fetches.
#[derive(Default)]
struct Last {
    at: Option<Timestamp>,
    failed: Option<String>,
}

impl Known {
    /// A clock that was set back makes keys old rather than new for ever.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.has_reached(self.since) && !now.has_reached(self.fresh_until)
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        !now.has_reached(self.fresh_until + OUTLIVE)
    }
}

impl Last {
    fn is_recent(&self, now: Timestamp, pause: Duration) -> bool {
        self.at.is_some_and(|at| now.has_reached(at) && !now.has_reached(at + pause))
    }
}

impl Keys {
    pub fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, known: RwLock::default(), last: Mutex::default() }
    }

    /// `Ok(None)`: there is no such key. `Err`: that cannot be said now.
    pub async fn find(&self, id: &str) -> Result<Option<DecodingKey>> {
        let now = self.clock.now();
        let known = self.known(now);
        if let Some((known, key)) = known.as_ref().and_then(|known| Some((known, known.by_id.get(id)?))) {
            if known.is_fresh(now) {
                return Ok(Some(key.clone()));
            }
            // The first one to see it renews them; whoever comes meanwhile goes on with the old ones.
            let Ok(turn) = self.last.try_lock() else { return Ok(Some(key.clone())) };
            self.renew(turn, AGAIN).await;
            return Ok(self.known(now).and_then(|known| known.by_id.get(id).cloned()));
        }
        self.look_for(id).await
    }

    /// No set in hand has it.
    async fn look_for(&self, id: &str) -> Result<Option<DecodingKey>> {
        let turn = self.last.lock().await;
        let now = self.clock.now();
        // Another may have fetched while this one waited for its turn.
        let known = self.known(now);
        if let Some(key) = known.as_ref().and_then(|known| known.by_id.get(id)) {
            return Ok(Some(key.clone()));
        }
        let failed = self.renew(turn, if known.is_some() { AGAIN } else { AGAIN_WITHOUT_KEYS }).await;
        if let Some(key) = self.known(now).and_then(|known| known.by_id.get(id).cloned()) {
            return Ok(Some(key));
        }
        match failed {
            // It may be a new one: nobody is turned away for our trouble.
            Some(why) => Err(Error::new(Kind::Unavailable, "identity.keys", self.source.url()).because(why)),
            None => Ok(None),
        }
    }

    /// Fetches, unless that was done lately. Answers with why the last fetch failed, if it did.
    async fn renew(&self, mut turn: MutexGuard<'_, Last>, pause: Duration) -> Option<String> {
        let now = self.clock.now();
        if turn.is_recent(now, pause) {
            return turn.failed.clone();
        }
        // Said beforehand: a caller that goes away in the middle counts as a fetch that failed.
        *turn = Last { at: Some(now), failed: Some("the fetch was not finished".to_owned()) };
        turn.failed = match self.source.fetch().await {
            Ok(fetched) => {
                let known = Known { by_id: fetched.keys, since: now, fresh_until: now + fetched.fresh_for };
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(known));
                None
            }
            Err(why) => {
                tracing::warn!(url = self.source.url(), why, "the keys of tokens could not be fetched");
                Some(why)
            }
        };
        turn.failed.clone()
    }

    fn known(&self, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| known.is_usable(now))
    }
}
