//! A network that drops, delays, duplicates and cuts requests and answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::{Answer, Http, HttpError, Method, Request};

use crate::backend::{Answered, Arrived, Backend, Incoming};
use crate::clock::Virtual;
use crate::random::Seeded;

/// The server's origin.
pub const ORIGIN: &str = "https://afterword.example";

type Slot = Arc<Mutex<(Option<Result<Answer, HttpError>>, Option<Waker>)>>;

/// Who waits for an answer, and how long it travels; `None` if it is lost.
struct Asker {
    slot: Slot,
    answer_after: Option<Duration>,
    account: Option<String>,
}

enum Happening {
    Arrives { request: Incoming, asker: Asker, copies: u32 },
    Delivered { slot: Slot, result: Result<Answer, HttpError>, account: Option<String> },
}

struct State {
    backend: Box<dyn Backend>,
    online: bool,
    is_faulty: bool,
    pending: Vec<(Duration, u64, Happening)>,
    askers: BTreeMap<u64, Asker>,
    last: u64,
    /// Until when uploads of an account are refused, as the device was told.
    refused_until: BTreeMap<String, Duration>,
    violations: Vec<String>,
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
    pub fn new(clock: Virtual, random: Seeded, backend: Box<dyn Backend>) -> Self {
        let state = State {
            backend,
            online: true,
            is_faulty: true,
            pending: Vec::new(),
            askers: BTreeMap::new(),
            last: 0,
            refused_until: BTreeMap::new(),
            violations: Vec::new(),
            breaks_next_batch: false,
        };
        Self { state: Arc::new(Mutex::new(state)), clock, random, signed_in: Arc::default() }
    }

    pub fn backend<T>(&self, use_it: impl FnOnce(&mut dyn Backend) -> T) -> T {
        use_it(&mut *self.state.lock().unwrap().backend)
    }

    pub fn set_online(&self, online: bool) {
        self.state.lock().unwrap().online = online;
    }

    pub fn is_online(&self) -> bool {
        self.state.lock().unwrap().online
    }

    pub fn is_faulty(&self) -> bool {
        self.state.lock().unwrap().is_faulty
    }

    /// The next batch does not arrive: its files go by the resumable protocol afterwards.
    pub fn break_next_batch(&self) {
        self.state.lock().unwrap().breaks_next_batch = true;
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        let mut state = self.state.lock().unwrap();
        (state.online, state.is_faulty, state.breaks_next_batch) = (true, false, false);
        state.backend.calm();
    }

    /// The device does not know any more that it is refused.
    pub fn forget_refusal(&self, account: &str) {
        self.state.lock().unwrap().refused_until.remove(account);
    }

    pub fn take_violations(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        let mut violations = std::mem::take(&mut state.violations);
        violations.extend(state.backend.violations());
        violations
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Duration> {
        self.state.lock().unwrap().pending.iter().map(|(at, number, _)| (*at, *number)).min().map(|(at, _)| at)
    }

    /// Lets the backend work up to this moment; true if it answered before.
    pub fn work_until(&self, until: Duration) -> bool {
        let mut state = self.state.lock().unwrap();
        let answered = state.backend.work_until(until);
        let any = !answered.is_empty();
        answered.into_iter().for_each(|answered| state.send_back(answered));
        any
    }

    /// Lets everything happen that is due.
    pub fn advance(&self, now: Duration) {
        loop {
            let mut state = self.state.lock().unwrap();
            let due = state.pending.iter().enumerate().filter(|(_, (at, ..))| *at <= now);
            let Some((index, _)) = due.min_by_key(|(_, (at, number, _))| (*at, *number)) else { return };
            let (at, number, happening) = state.pending.swap_remove(index);
            match happening {
                Happening::Arrives { request, asker, copies } => {
                    for _ in 0..copies {
                        state.last += 1;
                        // Nobody waits for the answer of a copy.
                        let copy = Arrived { number: state.last, request: request.clone() };
                        state.backend.arrive(copy, at);
                    }
                    state.askers.insert(number, asker);
                    state.backend.arrive(Arrived { number, request }, at);
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
        state.check_cooldown(&request, now);
        let ms = |first, last| Duration::from_millis(random.between(first, last));
        let fails = |error| Happening::Delivered { slot: Arc::clone(slot), result: Err(error), account: None };
        let arrives = |request: Incoming, answer_after, copies| {
            let account = request.account.clone();
            Happening::Arrives { request, asker: Asker { slot: Arc::clone(slot), answer_after, account }, copies }
        };
        let is_batch = request.path.split('?').next() == Some("/v2/sync/upload");
        let breaks = state.online && is_batch && std::mem::take(&mut state.breaks_next_batch);
        let (happening, after) = if breaks {
            (fails(HttpError::Broken("reset".to_owned())), ms(5, 4000))
        } else if !state.online {
            (fails(HttpError::Connect("offline".to_owned())), ms(5, 4000))
        } else if state.is_faulty && random.permille(20) {
            (fails(HttpError::Connect("refused".to_owned())), ms(5, 4000))
        } else if state.is_faulty && random.permille(20) {
            let cut = random.below(request.body.len() as u64 + 1) as usize;
            (arrives(Incoming { cut: Some(cut), ..request }, None, 0), ms(5, 300))
        } else if state.is_faulty && random.permille(15) {
            // Somebody in between answers instead of the server.
            let account = request.account;
            let result = Ok(fault(random));
            (Happening::Delivered { slot: Arc::clone(slot), result, account }, ms(5, 3000))
        } else {
            let is_lost = state.is_faulty && random.permille(30);
            let answer_after = (!is_lost).then(|| ms(5, 2000));
            let copies = u32::from(state.is_faulty && random.permille(20));
            (arrives(request, answer_after, copies), ms(5, 1000))
        };
        state.push(now + after, happening);
    }
}

impl State {
    fn push(&mut self, at: Duration, happening: Happening) {
        self.last += 1;
        self.pending.push((at, self.last, happening));
    }

    fn send_back(&mut self, answered: Answered) {
        let Some(Asker { slot, answer_after, account }) = self.askers.remove(&answered.number) else { return };
        let (after, result) = match (answered.answer, answer_after) {
            (Some(answer), Some(after)) => (after, Ok(answer)),
            _ => (Duration::from_secs(2), Err(HttpError::Broken("the answer was lost".to_owned()))),
        };
        self.push(answered.at + after, Happening::Delivered { slot, result, account });
    }

    fn check_cooldown(&mut self, request: &Incoming, now: Duration) {
        let Some(account) = request.account.as_ref().filter(|_| is_upload(request)) else { return };
        if let Some(until) = self.refused_until.get(account).filter(|until| now < **until) {
            self.violations.push(format!("{account} uploaded at {now:?} during a cooldown until {until:?}"));
        }
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
            let before = self.refused_until.entry(account).or_default();
            *before = (*before).max(until);
        }
    }
}

fn is_upload(request: &Incoming) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    request.method == Method::Post && matches!(path, "/v2/sync/upload" | "/v2/sync/uploads")
}

/// Answers that a service in trouble gives.
pub fn fault(random: &Seeded) -> Answer {
    let status = random.pick(&[500, 502, 503, 504, 200, 302, 202, 408]);
    let body = random.pick(&["", "<html>Bad gateway</html>", "{\"job_id\":", "null", "[]"]);
    let mut answer = Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
    if status == 302 {
        answer.headers.push(("location".to_owned(), "https://elsewhere.example/steal".to_owned()));
    }
    answer
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
            cut: None,
            account: token.map(|value| value.trim_start_matches("Bearer token-of-").to_owned()),
        };
        // Whoever left may still take the push token back, and nothing else.
        let takes_token_back = request.method == Method::Delete && path.starts_with("/v2/devices/");
        if incoming.account.as_deref() != *self.signed_in.lock().unwrap()
            && incoming.account.is_some()
            && !takes_token_back
        {
            let (who, method) = (incoming.account.clone().unwrap_or_default(), request.method);
            let violation = format!("{method:?} {path} for {who} after the sign-out");
            self.state.lock().unwrap().violations.push(violation);
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
