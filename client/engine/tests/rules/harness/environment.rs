//! What surrounds the engine: a server, credentials, a device and randomness, as a test wants them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::domain::Uid;
use engine::ports::{
    Answer, Clock, Conditions, Credentials, Device, Http, HttpError, Method, NoToken, Random, Request, Token,
};
use serde_json::json;

use super::{ORIGIN, Reply, Seen, answer, limits};
use simulator::Seeded;
use simulator::Virtual;

pub type Meanwhile = Box<dyn FnOnce() + Send>;
pub type Script = dyn FnMut(&Seen) -> Option<Reply> + Send;

/// What surrounds the engine.
pub struct Environment {
    pub clock: Virtual,
    pub script: Mutex<Box<Script>>,
    pub seen: Mutex<Vec<Seen>>,
    pub conditions: Mutex<Conditions>,
    pub tokens: Mutex<BTreeMap<String, Result<String, NoToken>>>,
    pub refreshed: AtomicU64,
    pub random: Seeded,
    /// What happens on another thread, so to speak, when the engine has asked for so many random numbers.
    pub meanwhile: Mutex<Option<(u32, Meanwhile)>>,
    /// Transfers that are going on, and the most that went on at one moment.
    pub transfers: Mutex<(usize, usize)>,
}

/// Counts a transfer until it is dropped.
struct Transfer<'e>(Option<&'e Mutex<(usize, usize)>>);

impl<'e> Transfer<'e> {
    fn begin(environment: &'e Environment, seen: &Seen) -> Self {
        let is_transfer = seen.path.starts_with("/v2/sync/upload") || seen.method == Method::Put;
        let counts = is_transfer.then_some(&environment.transfers);
        if let Some(counts) = counts {
            let mut counts = counts.lock().unwrap();
            counts.0 += 1;
            counts.1 = counts.1.max(counts.0);
        }
        Self(counts)
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.0 {
            counts.lock().unwrap().0 -= 1;
        }
    }
}

#[async_trait]
impl Http for Environment {
    async fn send(&self, mut request: Request) -> Result<Answer, HttpError> {
        let mut body = Vec::new();
        while let Some(bytes) = request.body.source.next().map_err(HttpError::Source)? {
            body.extend_from_slice(&bytes);
        }
        let path = request.url.strip_prefix(ORIGIN).unwrap_or(&request.url).to_owned();
        let (at, method) = (self.clock.elapsed(), request.method);
        let seen = Seen { at, method, path, headers: request.headers.clone(), body };
        self.seen.lock().unwrap().push(seen.clone());
        let _transfer = Transfer::begin(self, &seen);
        self.clock.sleep(Duration::from_millis(10)).await;
        let reply = (self.script.lock().unwrap())(&seen);
        let reply = reply.unwrap_or_else(|| {
            let job = seen.path.strip_prefix("/v2/sync/jobs/").filter(|_| seen.method == Method::Get);
            match job {
                Some(id) => answer(200, json!({"job_id": id, "status": "processing", "files": []})),
                None if seen.is(Method::Get, "/v2/limits") => limits(),
                None => answer(404, json!({"code": "not_found"})),
            }
        });
        match reply {
            Reply::Answer(answer) => Ok(answer),
            Reply::Fail(error) => Err(error),
            Reply::Hang => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Credentials for Environment {
    async fn token(&self, account: &Uid, refresh: bool) -> Result<Token, NoToken> {
        self.refreshed.fetch_add(u64::from(refresh), Ordering::Relaxed);
        let token = self.tokens.lock().unwrap().get(account.as_str()).cloned();
        token.unwrap_or_else(|| Ok(format!("token-of-{account}"))).map(Token::new)
    }
}

impl Random for Environment {
    fn next(&self) -> u64 {
        let mut meanwhile = self.meanwhile.lock().unwrap();
        let due = meanwhile.take_if(|(left, _)| *left == 0);
        if let Some((left, _)) = &mut *meanwhile {
            *left -= 1;
        }
        drop(meanwhile);
        if let Some((_, happen)) = due {
            happen();
        }
        self.random.next()
    }
}

impl Device for Environment {
    fn conditions(&self) -> Conditions {
        *self.conditions.lock().unwrap()
    }
}
