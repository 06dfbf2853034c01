//! A cache of public keys by their ids. Keys are kept as long as their server says, and for a while
//! longer when it cannot be reached.
//!
//! Only one fetch runs at a time. A caller whose key is known never waits for a fetch that another
//! caller began.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::Timestamp;
use flow::ports::Clock;
use flow::{Error, Kind, Result};
use jsonwebtoken::DecodingKey;
use tokio::sync::{Mutex, MutexGuard};

use super::fetch::Source;

/// The shortest time between fetches while some keys are known, however many unknown key ids are sent
/// by strangers.
const FETCH_PAUSE: Duration = Duration::from_secs(60);
/// The shortest time between fetches while no key is known. Nobody can be authenticated then, so it is
/// shorter.
const FETCH_PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(5);
/// How long keys are used after their expiry while their server cannot be reached. Google keeps a key
/// for days.
const MAX_OUTAGE: Duration = Duration::from_secs(24 * 3600);

pub struct Keys {
    source: Source,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Arc<Known>>>,
    last: Mutex<LastFetch>,
}

struct Known {
    by_id: HashMap<String, DecodingKey>,
    since: Timestamp,
    fresh_until: Timestamp,
}

/// The last fetch. Whoever holds the lock may fetch.
#[derive(Default)]
struct LastFetch {
    at: Option<Timestamp>,
    failed: Option<String>,
}

impl Known {
    /// If the clock was set back, the keys count as old instead of staying new for ever.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.has_reached(self.since) && !now.has_reached(self.fresh_until)
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        !now.has_reached(self.fresh_until + MAX_OUTAGE)
    }
}

impl LastFetch {
    fn is_recent(&self, now: Timestamp, pause: Duration) -> bool {
        self.at.is_some_and(|at| now.has_reached(at) && !now.has_reached(at + pause))
    }
}

impl Keys {
    pub fn new(source: Source, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, known: RwLock::default(), last: Mutex::default() }
    }

    /// Finds a key. `Ok(None)` means that there is no such key; an error means that this cannot be decided
    /// now.
    pub async fn find(&self, id: &str) -> Result<Option<DecodingKey>> {
        let now = self.clock.now();
        let known = self.known(now);
        if let Some((known, key)) = known.as_ref().and_then(|known| Some((known, known.by_id.get(id)?))) {
            if known.is_fresh(now) {
                return Ok(Some(key.clone()));
            }
            // The first caller to notice renews the keys; others meanwhile use the old ones.
            let Ok(last) = self.last.try_lock() else { return Ok(Some(key.clone())) };
            self.renew(last, FETCH_PAUSE).await;
            return Ok(self.known(now).and_then(|known| known.by_id.get(id).cloned()));
        }
        self.look_for(id).await
    }

    /// Fetches the keys because no known set has this one.
    async fn look_for(&self, id: &str) -> Result<Option<DecodingKey>> {
        let last = self.last.lock().await;
        let now = self.clock.now();
        // Another caller may have fetched them while this one waited for the lock.
        let known = self.known(now);
        if let Some(key) = known.as_ref().and_then(|known| known.by_id.get(id)) {
            return Ok(Some(key.clone()));
        }
        let failed = self.renew(last, if known.is_some() { FETCH_PAUSE } else { FETCH_PAUSE_WITHOUT_KEYS }).await;
        if let Some(key) = self.known(now).and_then(|known| known.by_id.get(id).cloned()) {
            return Ok(Some(key));
        }
        match failed {
            // The key may be new, so the token is not refused while the keys cannot be fetched.
            Some(why) => Err(self.unavailable(why)),
            None => Ok(None),
        }
    }

    /// Whether tokens can be verified: keys are known, or can be fetched now.
    pub async fn ready(&self) -> Result<()> {
        if self.known(self.clock.now()).is_some() {
            return Ok(());
        }
        let last = self.last.lock().await;
        if self.known(self.clock.now()).is_some() {
            return Ok(());
        }
        match self.renew(last, FETCH_PAUSE_WITHOUT_KEYS).await {
            Some(why) => Err(self.unavailable(why)),
            None => Ok(()),
        }
    }

    fn unavailable(&self, why: String) -> Error {
        Error::new(Kind::Unavailable, "identity.keys", self.source.url()).because(why)
    }

    /// Fetches the keys, unless that was done recently. Returns why the last fetch failed, if it did.
    async fn renew(&self, mut last: MutexGuard<'_, LastFetch>, pause: Duration) -> Option<String> {
        let now = self.clock.now();
        if last.is_recent(now, pause) {
            return last.failed.clone();
        }
        // Noted before the fetch: if the caller is cancelled in the middle, the fetch counts as failed.
        *last = LastFetch { at: Some(now), failed: Some("the fetch was not finished".to_owned()) };
        last.failed = match self.source.fetch().await {
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
        last.failed.clone()
    }

    fn known(&self, now: Timestamp) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| known.is_usable(now))
    }
}
