//! Requests from attackers and broken clients: each gets a clear answer, nothing is stored, the server keeps running,
//! its memory stays flat and its log stays readable.

mod encodings;
mod events;
mod fields;
mod framing;
mod json;
mod names;
mod ranges;
mod sizes;
mod slow;
mod strangers;
mod tokens;
mod upload_urls;

use reqwest::Method;
use tests::recordings::T0;
use tests::{Recording, Reply, Server, Setup, Wire};

use crate::upload_answers::{UPLOAD, assert_nothing_stored};

/// How much the server's memory may grow under an attack: its pools and caches fill, but nothing that a client sends is
/// kept.
const GROWTH: u64 = 16 << 20;

/// A server under attack.
pub struct Target {
    pub server: Server,
    before: Option<u64>,
}

impl Target {
    pub async fn start() -> Self {
        Self::with(Setup::new()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let server = setup.start().await;
        // A first request creates threads and caches before anything is measured.
        server.client().assert_empty().await;
        let before = cfg!(target_os = "linux").then(|| server.peak_memory());
        Self { server, before }
    }

    pub async fn dial(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut wire = Wire::dial(&self.server.url).await;
        wire.write(bytes.as_ref()).await;
        wire
    }

    /// Sends bytes and reads the first answer.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Reply {
        self.dial(bytes).await.read_answer().await
    }

    /// Sends bytes and reads until the server closes the connection.
    pub async fn send_and_read_to_end(&self, bytes: impl AsRef<[u8]>) -> Reply {
        self.dial(bytes).await.read_to_end().await
    }

    /// The head of an upload by the user `local`; `more` are further lines.
    pub fn head(&self, more: &str) -> String {
        let token = &self.server.token;
        let kind = "content-type: multipart/form-data; boundary=b\r\n";
        format!("POST {UPLOAD} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{kind}{more}\r\n")
    }

    /// An upload of these body bytes.
    pub fn upload(&self, body: &[u8]) -> Vec<u8> {
        [self.head(&format!("content-length: {}\r\n", body.len())).as_bytes(), body].concat()
    }

    /// Checks that everything is as it was before the attack, and that the server still works.
    pub async fn assert_unchanged(self) {
        assert_nothing_stored(&self.server).await;
        self.assert_running().await;
    }

    /// The same checks, except that the attack may have stored something.
    pub async fn assert_running(self) {
        let health = self.server.client_without_token().get("/healthz").await;
        assert_eq!(health.status, 200, "{}", health.text);
        if let Some(before) = self.before {
            let grown = self.server.peak_memory().saturating_sub(before);
            println!("memory grew by {} KiB", grown >> 10);
            assert!(grown <= GROWTH, "memory grew by {} KiB", grown >> 10);
        }
        let good = self.server.client_of("a-good-client").await;
        let job = good.done(&[Recording::short(T0 + 7_000_000)]).await;
        assert_eq!(job["status"], "completed", "{job}");
        // Every log line is one JSON object, whatever was sent.
        let broken = self.server.log.count(|line| !line.fields.is_object());
        assert_eq!(broken, 0, "{}", self.server.log.text());
    }
}

/// A form whose only part has this `Content-Disposition`, which may contain further part headers.
pub fn form(disposition: &[u8]) -> Vec<u8> {
    [b"--b\r\nContent-Disposition: form-data; name=\"files\"; ", disposition, b"\r\n\r\nabc\r\n--b--\r\n"].concat()
}

pub fn file_name(name: &str) -> Vec<u8> {
    form(format!("filename=\"{name}\"").as_bytes())
}

/// A complete, valid form with one recording.
pub fn good_form(file: &Recording) -> Vec<u8> {
    let head = format!("--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{}\"\r\n\r\n", file.name);
    [head.as_bytes(), &file.bytes, b"\r\n--b--\r\n"].concat()
}

pub fn methods() -> [Method; 4] {
    [Method::GET, Method::DELETE, Method::POST, Method::PUT]
}
