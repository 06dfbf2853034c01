//! A client that uses little processor time, because it shares the machine with what it measures.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

const BOUNDARY: &str = "a-boundary-that-audio-does-not-hold";

#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

impl Client {
    pub fn new(url: &str, token: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { pool, url: url.to_owned(), token: token.to_owned() }
    }

    /// A client of another user, over the same connections.
    pub fn as_user(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        self.send(Request::get(format!("{}{path}", self.url)), Bytes::new()).await
    }

    /// Waits until no job of this user is queued or processing; none may have failed.
    pub async fn all_ended(&self) -> Result<()> {
        while self.has_jobs("status=queued&status=processing").await? {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        anyhow::ensure!(!self.has_jobs("status=failed&status=partial_failure&status=cancelled").await?, "a job failed");
        Ok(())
    }

    async fn has_jobs(&self, filter: &str) -> Result<bool> {
        let (status, body) = self.get(&format!("/v2/sync/jobs?limit=1&{filter}")).await?;
        anyhow::ensure!(status.is_success(), "{status}: {body}");
        Ok(body["jobs"].as_array().is_some_and(|jobs| !jobs.is_empty()))
    }

    /// Uploads one recording; returns the id of its job.
    pub async fn upload(&self, name: &str, recording: &[u8]) -> Result<String> {
        let answer = self.send_form(form(name, recording)).await?;
        Ok(answer["job_id"].as_str().context("no job_id")?.to_owned())
    }

    /// Sends a form that must be accepted.
    pub async fn send_form(&self, form: Bytes) -> Result<Value> {
        let request = Request::post(format!("{}/v2/sync/upload", self.url))
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        let (status, answer) = self.send(request, form).await?;
        anyhow::ensure!(status == StatusCode::ACCEPTED, "{status}: {answer}");
        Ok(answer)
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> Result<(StatusCode, Value)> {
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(Full::new(body))?;
        let answer = self.pool.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

/// The body that uploads one recording.
pub fn form(name: &str, recording: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(recording.len() + 256);
    body.extend_from_slice(
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n")
            .as_bytes(),
    );
    body.extend_from_slice(recording);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}

/// A second of real speech as a device recording, made different by `n`.
pub fn recording(n: u64) -> (String, Vec<u8>) {
    speech(100, n)
}

/// Two seconds of the same.
pub fn two_seconds(n: u64) -> (String, Vec<u8>) {
    speech(200, n)
}

fn speech(frames: usize, n: u64) -> (String, Vec<u8>) {
    const FRAME: usize = 324;
    let start = 60 * FRAME;
    let mut bytes = audio::SAMPLE[start..start + frames * FRAME].to_vec();
    // Changes the low bits of the first samples: it is another recording to the byte, but sounds the same.
    for (i, byte) in n.to_le_bytes().into_iter().enumerate() {
        bytes[4 + 2 * i] = byte;
    }
    // The recordings are far apart in time, so that each becomes a conversation of its own.
    (format!("audio_bench_pcm16_16000_1_fs160_{}.bin", 1_704_100_000 + n * 200), bytes)
}
