//! A cache of tokens whose signature was valid, so that the signature is checked once and not with
//! every request.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use sha2::{Digest, Sha256};

use super::claims::Claims;

/// Far more than the devices of one machine's users; it takes about half a megabyte.
const MAX_TOKENS: usize = 1024;

/// Stands for a token, which is a secret and is not kept in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// When the cache is full, the oldest token is dropped. Only the signature's result is cached: the
/// times are checked with each request.
#[derive(Default)]
pub struct TokenCache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    claims: HashMap<Fingerprint, Arc<Claims>>,
    order: VecDeque<Fingerprint>,
}

impl TokenCache {
    pub fn get(&self, token: &Fingerprint) -> Option<Arc<Claims>> {
        self.inner().claims.get(token).cloned()
    }

    pub fn put(&self, token: Fingerprint, claims: Arc<Claims>, now: Timestamp) {
        let mut inner = self.inner();
        if inner.order.len() >= MAX_TOKENS {
            inner.make_room(now);
        }
        if inner.claims.insert(token, claims).is_none() {
            inner.order.push_back(token);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn make_room(&mut self, now: Timestamp) {
        let Self { claims, order } = self;
        claims.retain(|_, claims| !now.has_reached(claims.expires_at()));
        order.retain(|token| claims.contains_key(token));
        if order.len() >= MAX_TOKENS
            && let Some(oldest) = order.pop_front()
        {
            claims.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::Uid;

    use super::*;

    fn token(number: usize) -> Fingerprint {
        Fingerprint::of(&number.to_string())
    }

    fn claims(ttl_secs: u64) -> Arc<Claims> {
        Arc::new(Claims::new(&Uid::new("u").unwrap(), Timestamp::default(), Duration::from_secs(ttl_secs)))
    }

    #[test]
    fn full_cache_drops_expired_tokens_first_and_then_the_oldest() {
        let token_cache = TokenCache::default();
        for number in 0..MAX_TOKENS {
            token_cache.put(token(number), claims(if number == 7 { 1 } else { 60 }), Timestamp::default());
        }
        token_cache.put(token(MAX_TOKENS), claims(60), Timestamp::from_secs(1));
        assert!(token_cache.get(&token(7)).is_none() && token_cache.get(&token(0)).is_some());
        token_cache.put(token(MAX_TOKENS + 1), claims(60), Timestamp::from_secs(1));
        assert!(token_cache.get(&token(0)).is_none() && token_cache.get(&token(1)).is_some());
        assert_eq!(token_cache.inner().claims.len(), MAX_TOKENS);
    }
}
