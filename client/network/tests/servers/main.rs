//! The network against servers on the loopback address that behave well, badly, or not at all.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod certificates;
mod misbehaving;
mod proxies;
mod requests;
mod server;

use std::time::Duration;

use engine::ports::{Answer, Body, Http, HttpError, Method, Request};
use network::{Network, Settings};

/// Far longer than anything takes that does not wait for a limit.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer in these tests.
const LIMIT: usize = 1000;

fn network() -> Network {
    Network::new(&Settings::default()).unwrap()
}

/// A network that is soon tired of silence.
fn impatient() -> Network {
    Network::new(&Settings { silence_timeout: Duration::from_millis(200), ..Settings::default() }).unwrap()
}

fn get(url: &str) -> Request {
    let (method, url, body) = (Method::Get, url.to_owned(), Body::empty());
    let headers = vec![("authorization", "Bearer secret".to_owned())];
    Request { method, url, headers, body, timeout: PATIENCE, max_answer_bytes: LIMIT }
}

fn post(url: &str, body: Body) -> Request {
    Request { method: Method::Post, body, ..get(url) }
}

async fn answer(network: &Network, request: Request) -> Answer {
    network.send(request).await.unwrap()
}

async fn failure(network: &Network, request: Request) -> HttpError {
    network.send(request).await.unwrap_err()
}
