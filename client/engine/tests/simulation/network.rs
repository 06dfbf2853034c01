//! A network that drops, delays, duplicates and cuts requests and answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::{Answer, Http, HttpError, Method, Request};

use crate::clock::Virtual;
use crate::random::Seeded;
use crate::server::{Incoming, Server};

/// The server's origin.
pub const ORIGIN: &str = "https://afterword.example";

type Slot = Arc<Mutex<(Option<Result<Answer, HttpError>>, Option<Waker>)>>;

enum Happening {
    /// A request reaches the server. Its answer goes to the slot after this time, unless it is lost.
    Arrives {
        request: Incoming,
        slot: Slot,
        answer_after: Option<Duration>,
        copies: u32,
    },
    Delivered {
        slot: Slot,
        result: Result<Answer, HttpError>,
        account: Option<String>,
    },
}

struct State {
    server: Server,
    online: bool,
    is_faulty: bool,
    pending: Vec<(Duration, u64, Happening)>,
    last: u64,
    requests: u64,
    /// The next batch does not arrive.
    breaks_next_batch: bool,
}

/// Clones share their state.
#[derive(Clone)]
pub struct Network {
    state: Arc<Mutex<State>>,
    clock: Virtual,
    random: Seeded,
    /// Who uses the device, as the app knows.
    pub signed_in: Arc<Mutex<Option<&'static str>>>,
}

impl Network {
    pub fn new(clock: Virtual, random: Seeded) -> Self {
        let server = Server::new(random.fork());
        let state = State {
            server,
            online: true,
            is_faulty: true,
            pending: Vec::new(),
            last: 0,
            requests: 0,
            breaks_next_batch: false,
        };
        Self { state: Arc::new(Mutex::new(state)), clock, random, signed_in: Arc::default() }
    }

    pub fn server<T>(&self, use_it: impl FnOnce(&mut Server) -> T) -> T {
        use_it(&mut self.state.lock().unwrap().server)
    }

    pub fn set_online(&self, online: bool) {
        self.state.lock().unwrap().online = online;
    }

    pub fn is_online(&self) -> bool {
        self.state.lock().unwrap().online
    }

    /// The next batch does not arrive: its files go by the resumable protocol afterwards.
    pub fn break_next_batch(&self) {
        self.state.lock().unwrap().breaks_next_batch = true;
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        let mut state = self.state.lock().unwrap();
        (state.online, state.is_faulty, state.server.is_faulty) = (true, false, false);
        state.breaks_next_batch = false;
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Duration> {
        self.state.lock().unwrap().pending.iter().map(|(at, number, _)| (*at, *number)).min().map(|(at, _)| at)
    }

    /// Lets everything happen that is due.
    pub fn advance(&self, now: Duration) {
        loop {
            let mut state = self.state.lock().unwrap();
            let due = state.pending.iter().enumerate().filter(|(_, (at, ..))| *at <= now);
            let Some((index, _)) = due.min_by_key(|(_, (at, number, _))| (*at, *number)) else { return };
            let (at, _, happening) = state.pending.swap_remove(index);
            match happening {
                Happening::Arrives { request, slot, answer_after, copies } => {
                    let mut answer = state.server.handle(&request, at);
                    for _ in 0..copies {
                        answer = state.server.handle(&request, at);
                    }
                    let account = request.account;
                    let (after, result) = match answer_after {
                        Some(after) => (after, Ok(answer)),
                        None => (Duration::from_secs(2), Err(HttpError::Broken("the answer was lost".to_owned()))),
                    };
                    state.push(at + after, Happening::Delivered { slot, result, account });
                }
                Happening::Delivered { slot, result, account } => {
                    if Arc::strong_count(&slot) > 1 {
                        state.note_refusal(&result, account, at);
                    }
                    drop(state);
                    let mut slot = slot.lock().unwrap();
                    slot.0 = Some(result);
                    if let Some(waker) = slot.1.take() {
                        waker.wake();
                    }
                }
            }
        }
    }

    fn send_off(&self, request: Incoming, slot: &Slot) {
        let now = self.clock.elapsed();
        let random = &self.random;
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        let ms = |first, last| Duration::from_millis(random.between(first, last));
        let fail =
            |error| (Happening::Delivered { slot: Arc::clone(slot), result: Err(error), account: None }, ms(5, 4000));
        let is_batch = request.path.split('?').next() == Some("/v2/sync/upload");
        let breaks = state.online && is_batch && std::mem::take(&mut state.breaks_next_batch);
        let (happening, after) = if breaks {
            fail(HttpError::Broken("reset".to_owned()))
        } else if !state.online {
            fail(HttpError::Connect("offline".to_owned()))
        } else if state.is_faulty && random.permille(20) {
            fail(HttpError::Connect("refused".to_owned()))
        } else if state.is_faulty && random.permille(20) {
            // The request is cut: the server gets the beginning of the bytes of a file, and nothing of anything else.
            let mut request = request;
            if request.path.starts_with("/bytes/") {
                let part = random.below(request.body.len() as u64 + 1) as usize;
                request.body.truncate(part);
                let arrives = Happening::Arrives { request, slot: Arc::clone(slot), answer_after: None, copies: 0 };
                (arrives, ms(5, 300))
            } else {
                fail(HttpError::Broken("reset".to_owned()))
            }
        } else {
            let is_lost = state.is_faulty && random.permille(30);
            let answer_after = (!is_lost).then(|| ms(5, 2000));
            let copies = u32::from(state.is_faulty && random.permille(20));
            let slot = Arc::clone(slot);
            (Happening::Arrives { request, slot, answer_after, copies }, ms(5, 1000))
        };
        state.push(now + after, happening);
    }
}

impl State {
    fn push(&mut self, at: Duration, happening: Happening) {
        self.last += 1;
        self.pending.push((at, self.last, happening));
    }

    /// The device knows from now on that its uploads are refused for a while.
    fn note_refusal(&mut self, result: &Result<Answer, HttpError>, account: Option<String>, now: Duration) {
        let (Ok(answer), Some(account)) = (result, account) else { return };
        if answer.header("x-rate-limit-reason").is_some() {
            let seconds = answer.header("retry-after").and_then(|text| text.parse().ok()).unwrap_or(0);
            let until = now + Duration::from_secs(seconds);
            if std::env::var_os("SIMULATION_LOG").is_some() {
                eprintln!("{:>12.3} {account} is refused until {until:?}", now.as_secs_f64());
            }
            let before = self.server.refused_until.entry(account).or_default();
            *before = (*before).max(until);
        }
    }
}

#[async_trait]
impl Http for Network {
    async fn send(&self, mut request: Request) -> Result<Answer, HttpError> {
        let mut body = Vec::new();
        loop {
            match request.body.source.next() {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(error) => return Err(HttpError::Source(error)),
            }
        }
        assert_eq!(body.len() as u64, request.body.length, "a body has the length that it announces");
        let token = request.headers.iter().find(|(name, _)| *name == "authorization").map(|(_, value)| value.clone());
        let Some(path) = request.url.strip_prefix(ORIGIN) else {
            assert_eq!(token, None, "the token left the configured origin: {}", request.url);
            return Err(HttpError::Connect("elsewhere".to_owned()));
        };
        let incoming = Incoming {
            method: request.method,
            path: path.to_owned(),
            headers: request.headers.clone(),
            body,
            account: token.map(|value| value.trim_start_matches("Bearer token-of-").to_owned()),
            sent_at: self.clock.elapsed(),
        };
        // Whoever left may still take the push token back, and nothing else.
        let takes_token_back = request.method == Method::Delete && path.starts_with("/v2/devices/");
        if incoming.account.as_deref() != *self.signed_in.lock().unwrap()
            && incoming.account.is_some()
            && !takes_token_back
        {
            let (who, method) = (incoming.account.clone().unwrap_or_default(), request.method);
            self.server(|server| server.violations.push(format!("{method:?} {path} for {who} after the sign-out")));
        }
        let slot = Slot::default();
        self.send_off(incoming, &slot);
        Waiting(slot).await
    }
}

struct Waiting(Slot);

impl Future for Waiting {
    type Output = Result<Answer, HttpError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock().unwrap();
        match slot.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
