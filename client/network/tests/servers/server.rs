//! A server that reads a request to its end and does with the connection what a test wants.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a server does after each request.
#[derive(Clone)]
pub enum Then {
    /// Sends these bytes, and keeps the connection.
    Answer(Vec<u8>),
    /// Sends these bytes, and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Sends these bytes again and again.
    Forever(Vec<u8>),
    /// Sends one byte in each interval.
    Trickle(Vec<u8>, std::time::Duration),
    /// Sends these bytes, and then nothing any more.
    Silent(Vec<u8>),
}

pub struct Server {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    pub async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, requests: Arc::default(), connections: Arc::default() };
        let (requests, connections) = (Arc::clone(&server.requests), Arc::clone(&server.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(stream, then.clone(), Arc::clone(&requests)));
            }
        });
        server
    }

    /// A server that answers each request with this.
    pub async fn answering(text: &str) -> Self {
        Self::start(Then::Answer(text.as_bytes().to_vec())).await
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v2/limits", self.port)
    }

    /// The requests so far, each with its body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

pub async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, then: Then, seen: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        seen.lock().unwrap().push(request);
        match &then {
            Then::Answer(bytes) => _ = stream.write_all(bytes).await,
            Then::AnswerAndClose(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Then::Forever(bytes) => while stream.write_all(bytes).await.is_ok() {},
            Then::Trickle(bytes, every) => trickle(&mut stream, bytes, *every).await,
            Then::Silent(bytes) => {
                let _ = stream.write_all(bytes).await;
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn trickle(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], every: std::time::Duration) {
    let mut ticks = tokio::time::interval(every);
    for byte in bytes {
        ticks.tick().await;
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Reads a request with its body; `None` at the end of the connection.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}
