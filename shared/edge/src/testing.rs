//! Test support: a server over real TCP, a raw TCP client, stubs for the ports.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use domain::Uid;
use flow::ports::{Denied, Identity, Random};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use crate::request::Requests;
use crate::serve::{Listener, ServeLimits};
use crate::tls::Tls;

/// A test that waits longer than this has hung.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A source of "random" numbers that counts up.
#[derive(Default)]
pub(crate) struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn uuid(&self) -> Uuid {
        let number = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        uuid::Builder::from_random_bytes(number.to_le_bytes()).into_uuid()
    }

    fn unit(&self) -> f64 {
        0.5
    }
}

/// Accepts the token `good`; the token `down` cannot be checked.
pub(crate) struct StubIdentity;

#[async_trait]
impl Identity for StubIdentity {
    async fn verify(&self, token: &str) -> flow::Result<Result<Uid, Denied>> {
        match token {
            "good" => Ok(Ok(Uid::new("alice").unwrap())),
            "down" => Err(flow::Error::new(flow::Kind::Unavailable, "identity.verify", "keys.example")),
            _ => Ok(Err(Denied { detail: "The token has expired.".to_owned() })),
        }
    }
}

/// A wrapped router that is served on a real listener.
pub(crate) struct Site {
    pub(crate) client: reqwest::Client,
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
    _stop_at_end: DropGuard,
}

impl Site {
    pub(crate) async fn start(router: Router) -> Self {
        Self::with(router, ServeLimits::default()).await
    }

    pub(crate) async fn with(router: Router, limits: ServeLimits) -> Self {
        Self::with_tls(None, router, limits).await
    }

    pub(crate) async fn with_tls(tls: Option<Tls>, router: Router, limits: ServeLimits) -> Self {
        Self::with_requests(tls, router, limits, Requests::default()).await
    }

    pub(crate) async fn with_requests(
        tls: Option<Tls>,
        router: Router,
        limits: ServeLimits,
        requests: Requests,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = crate::wrap_with(router, Arc::new(CountingRandom::default()), requests);
        let served = tokio::spawn(crate::serve(Listener { listener, tls }, router, limits, stop.clone()));
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap();
        Self { client, address, _stop_at_end: stop.clone().drop_guard(), stop, served }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    /// Opens a new connection and sends bytes on it.
    pub(crate) async fn dial(&self, bytes: &[u8]) -> Wire {
        let mut wire = Wire { stream: TcpStream::connect(self.address).await.unwrap(), seen: Vec::new() };
        wire.write(bytes).await;
        wire
    }

    /// Opens a new connection, sends bytes and reads to the end of the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        self.dial(bytes).await.read_to_end().await
    }
}

/// A raw TCP connection to the server.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    seen: Vec<u8>,
}

impl Wire {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads until `mark` arrives; false if the connection ends before.
    pub(crate) async fn read_until(&mut self, mark: &str) -> bool {
        while !String::from_utf8_lossy(&self.seen).contains(mark) {
            let read = self.stream.read_buf(&mut self.seen);
            if tokio::time::timeout(TIMEOUT, read).await.expect("the server is silent").unwrap_or(0) == 0 {
                return false;
            }
        }
        self.seen.clear();
        true
    }

    /// Reads until the connection ends, even by a reset.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let read = self.stream.read_to_end(&mut self.seen);
        let _ = tokio::time::timeout(TIMEOUT, read).await.expect("the server does not close");
        String::from_utf8_lossy(&self.seen).into_owned()
    }
}

/// Captured log lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What is logged meanwhile, as lines of JSON.
pub(crate) fn logged(act: impl FnOnce()) -> String {
    let lines = Lines::default();
    crate::telemetry::with_lines(&lines, act);
    lines.text()
}
