//! Resumable uploads: opened, sent in as many requests as the network requires, completed, transcribed.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Answer, Client, Recording, Server, Setup, eventually};

pub const OPEN: &str = "/v2/sync/uploads";

pub fn offer(file: &Recording) -> Value {
    let crc32c = BASE64_STANDARD.encode(crc32c::crc32c(&file.bytes).to_be_bytes());
    let sha256 = hex::encode(Sha256::digest(&file.bytes));
    json!({"name": file.name, "size": file.bytes.len(), "sha256": sha256, "crc32c": crc32c})
}

pub async fn try_open(client: &Client, files: &[Value]) -> Answer {
    client.send(client.request(Method::POST, OPEN).json(&json!({"files": files}))).await
}

/// The session of these files: a new one, or the one that is open already.
pub async fn open(client: &Client, files: &[&Recording]) -> Value {
    let offers: Vec<_> = files.iter().map(|file| offer(file)).collect();
    let answer = try_open(client, &offers).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.body["status"], "uploading");
    answer.body
}

pub fn url(session: &Value, index: usize) -> String {
    session["files"][index]["upload_url"].as_str().unwrap().to_owned()
}

/// Sends bytes without a token: the upload URL is enough.
pub async fn put(server: &Server, url: &str, range: &str, bytes: impl Into<Body>) -> Answer {
    let client_without_token = server.client_without_token();
    let request = client_without_token.request(Method::PUT, url).body(bytes);
    let request = if range.is_empty() { request } else { request.header("content-range", range) };
    client_without_token.send(request).await
}

/// The number of bytes that the server has, by the protocol's query.
pub async fn asked(server: &Server, url: &str) -> u64 {
    let answer = put(server, url, "bytes */*", "").await;
    assert_eq!(answer.status, 308, "{}", answer.text);
    after(answer.header("range"))
}

fn after(range: &str) -> u64 {
    range.strip_prefix("bytes=0-").map_or(0, |last| last.parse::<u64>().unwrap() + 1)
}

pub async fn complete(client: &Client, session: &Value) -> Answer {
    let path = format!("{OPEN}/{}/complete", session["job_id"].as_str().unwrap());
    client.send(client.request(Method::POST, &path)).await
}

/// A body that never ends by itself: the client hangs, and keeps its connection.
pub fn hanging(bytes: Bytes) -> Body {
    Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(bytes)]).chain(stream::pending()))
}

async fn completed(server: &Server, session: &Value) -> Value {
    let answer = complete(&server.client(), session).await;
    assert_eq!((answer.status, &answer.body["job_id"]), (202, &session["job_id"]), "{}", answer.text);
    let job = server.client().terminal(session["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "{job}");
    job
}

#[tokio::test]
async fn a_session_is_sent_completed_and_transcribed() {
    let server = Setup::new().start().await;
    let (client, files) = (server.client(), [Recording::speech(T0), Recording::short(T0 + 1000)]);
    let session = open(&client, &[&files[0], &files[1]]).await;
    let job_id = session["job_id"].as_str().unwrap();
    assert_eq!((&session["files"][0]["offset"], &session["files"][0]["status"]), (&json!(0), &json!("uploading")));
    assert!(session["files"][0]["expires_at"].is_string());
    let view = client.job(job_id).await;
    assert_eq!((&view["status"], &view["files"][0]["status"]), (&json!("uploading"), &json!("queued")));
    let listed = client.get("/v2/sync/jobs?status=uploading").await.ok();
    assert_eq!(listed["jobs"][0]["job_id"], job_id);
    for (index, file) in files.iter().enumerate() {
        complete(&client, &session).await.problem(409, "upload_incomplete");
        let answer = put(&server, &url(&session, index), "", file.bytes.clone()).await;
        assert_eq!((answer.status, &answer.body["whole"]), (200, &json!(true)), "{}", answer.text);
        assert_eq!(
            put(&server, &url(&session, index), "bytes */*", "").await.status,
            200,
            "a query still reports it as complete"
        );
    }
    let job = completed(&server, &session).await;
    assert_eq!(client.segments().await.len() as u64, job["total_segments"].as_u64().unwrap());
    assert_eq!(complete(&client, &session).await.ok()["status"], "completed", "repeating is harmless");
    assert_eq!(put(&server, &url(&session, 0), "bytes */*", "").await.status, 200);
    server.folder().until_no_blobs(PATIENCE).await;
    let known = try_open(&client, &[offer(&files[0])]).await;
    assert_eq!((known.status, &known.body["deduplicated"]), (202, &json!(true)), "{}", known.text);
}

#[tokio::test]
async fn interrupted_upload_continues_at_its_offset() {
    let server = Setup::new().start().await;
    let file = Recording::speech(T0);
    let (size, session) = (file.bytes.len(), open(&server.client(), &[&file]).await);
    let url = url(&session, 0);
    let first = put(&server, &url, &format!("bytes 0-999/{size}"), file.bytes.slice(..1000)).await;
    assert_eq!((first.status, first.header("range")), (308, "bytes=0-999"));
    // Bytes that overlap are skipped.
    let next = put(&server, &url, "bytes 500-1999/*", file.bytes.slice(500..2000)).await;
    assert_eq!(after(next.header("range")), 2000, "{}", next.text);
    // The connection hangs, and the phone sends again over another one.
    let range = format!("bytes 2000-{}/{size}", size - 1);
    let hangs = put(&server, &url, &range, hanging(file.bytes.slice(2000..3000)));
    tokio::pin!(hangs);
    let hung = loop {
        // The second connection takes the file over, whether the first one holds it already or comes later.
        tokio::select! {
            hung = &mut hangs => break hung,
            offset = asked(&server, &url) => assert!((2000..=3000).contains(&offset), "{offset}"),
        }
    };
    assert_eq!(hung.status, 308, "the earlier request learns the received bytes");
    let offset = asked(&server, &url).await;
    assert!((2000..=3000).contains(&offset), "{offset}");
    let again = open(&server.client(), &[&file]).await;
    assert_eq!(again["files"][0]["offset"], offset);
    let from = usize::try_from(offset).unwrap();
    let last = put(&server, &url, &format!("bytes {offset}-{}/{size}", size - 1), file.bytes.slice(from..)).await;
    assert_eq!(last.status, 200, "{}", last.text);
    completed(&server, &session).await;
}

#[tokio::test]
async fn upload_continues_from_durable_bytes_after_a_kill() {
    let setup = Setup::new();
    let server = setup.start().await;
    let silence = Recording::silence(T0);
    let file = Recording::new(silence.name, silence.bytes.repeat(400));
    let session = open(&server.client(), &[&file]).await;
    let address = url(&session, 0);
    let part = 9 * 1024 * 1024;
    let sent = server.client_without_token().request(Method::PUT, &address).body(hanging(file.bytes.slice(..part)));
    let sending = tokio::spawn(sent.send());
    let synced = async || {
        let offset = open(&server.client(), &[&file]).await["files"][0]["offset"].as_u64().unwrap();
        (offset >= 8 * 1024 * 1024).then_some(offset)
    };
    let durable = eventually("some of the bytes are durable", PATIENCE, synced).await;
    server.kill9().await;
    assert!(sending.await.unwrap().is_err(), "there was no answer");

    let server = setup.start().await;
    // A new client without any state.
    let again = open(&server.client(), &[&file]).await;
    assert_eq!((&again["job_id"], url(&again, 0)), (&session["job_id"], address.clone()));
    let offset = again["files"][0]["offset"].as_u64().unwrap();
    assert!(offset >= durable && offset <= part as u64, "{durable} {offset}");
    assert_eq!(asked(&server, &address).await, offset);
    let (from, size) = (usize::try_from(offset).unwrap(), file.bytes.len());
    let rest = put(&server, &address, &format!("bytes {offset}-{}/{size}", size - 1), file.bytes.slice(from..)).await;
    assert_eq!(rest.status, 200, "{}", rest.text);
    completed(&server, &session).await;
}

#[tokio::test]
async fn abandoned_session_does_not_block_the_same_recording() {
    let server = Setup::new().start().await;
    let (client, file) = (server.client(), Recording::speech(T0));
    let session = open(&client, &[&file]).await;
    put(&server, &url(&session, 0), "bytes 0-99/*", file.bytes.slice(..100)).await;
    let job = client.done(std::slice::from_ref(&file)).await;
    assert_eq!(job["status"], "completed");
    let answer = complete(&client, &session).await;
    assert_eq!((answer.status, &answer.body["job_id"]), (202, &job["job_id"]), "the other job is returned");
    assert_eq!(answer.body["deduplicated"], true);
    assert_eq!(complete(&client, &session).await.body["job_id"], job["job_id"], "and goes on answering");
    assert_eq!(client.job(session["job_id"].as_str().unwrap()).await["status"], "cancelled");
    put(&server, &url(&session, 0), "bytes */*", "").await.problem(410, "upload_expired");
    server.folder().until_no_blobs(PATIENCE).await;
    assert_eq!(client.segments().await.len() as u64, job["total_segments"].as_u64().unwrap());
}

#[tokio::test]
async fn only_unknown_recordings_of_a_mixed_session_are_sent() {
    let server = Setup::new().start().await;
    let (client, known, new) = (server.client(), Recording::short(T0), Recording::short(T0 + 1000));
    client.done(std::slice::from_ref(&known)).await;
    let session = open(&client, &[&known, &new]).await;
    let first = &session["files"][0];
    assert_eq!(
        (&first["status"], &first["upload_url"], &first["expires_at"]),
        (&json!("done"), &Value::Null, &Value::Null)
    );
    put(&server, &url(&session, 1), "", new.bytes.clone()).await.ok();
    completed(&server, &session).await;
    assert_eq!(client.usage().await.0, client.segments().await.len() as u64);
}

#[tokio::test]
async fn a_session_that_is_not_completed_expires_with_its_bytes() {
    let server = Setup::new().with("jobs.upload_session_seconds", 1).with("sweep.interval_seconds", 1).start().await;
    let (client, file) = (server.client(), Recording::speech(T0));
    let session = open(&client, &[&file]).await;
    put(&server, &url(&session, 0), "bytes 0-99/*", file.bytes.slice(..100)).await;
    let job = client.terminal(session["job_id"].as_str().unwrap()).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("cancelled"), &json!("upload_expired")));
    server.folder().until_no_blobs(PATIENCE).await;
    put(&server, &url(&session, 0), "bytes 100-199/*", file.bytes.slice(100..200)).await.problem(410, "upload_expired");
    complete(&client, &session).await.problem(410, "upload_expired");
    assert_ne!(open(&client, &[&file]).await["job_id"], session["job_id"]);
}

#[tokio::test]
async fn wrong_bytes_fail_their_file_and_the_right_ones_are_transcribed_afterwards() {
    let server = Setup::new().start().await;
    let (client, file) = (server.client(), Recording::short(T0));
    let mut lie = offer(&file);
    lie["sha256"] = "ab".repeat(32).into();
    let session = try_open(&client, &[lie]).await.ok();
    put(&server, &url(&session, 0), "", file.bytes.clone()).await.ok();
    complete(&client, &session).await.ok();
    let job = client.terminal(session["job_id"].as_str().unwrap()).await;
    assert_eq!((&job["status"], &job["files"][0]["code"]), (&json!("failed"), &json!("digest_mismatch")), "{job}");
    assert_eq!(job["files"][0]["blame"], "content");
    let session = open(&client, &[&file]).await;
    put(&server, &url(&session, 0), "", file.bytes.clone()).await.ok();
    completed(&server, &session).await;
    assert!(!client.segments().await.is_empty());
}

#[tokio::test]
async fn upload_url_is_in_no_log_metric_or_output() {
    let server = Setup::new().with("log.level", "debug").start().await;
    let file = Recording::short(T0);
    let session = open(&server.client(), &[&file]).await;
    let url = url(&session, 0);
    let problem = put(&server, &url, "bytes 5-1/*", "").await;
    assert_eq!(problem.problem(416, "invalid_range")["instance"], "/v2/sync/uploads/parts/{upload}");
    put(&server, &url, "", file.bytes.clone()).await.ok();
    let secret = url.rsplit('.').next().unwrap();
    assert!(secret.len() >= 32);
    let metrics = server.client_without_token().get("/metrics").await.text;
    assert!(metrics.contains("/v2/sync/uploads/parts/{upload}"), "{metrics}");
    assert!(!metrics.contains(secret) && !server.log.text().contains(secret) && !problem.text.contains(secret));
    let setup = server.setup();
    for command in [&["admin", "show", session["job_id"].as_str().unwrap()][..], &["admin", "jobs", "--json"]] {
        let printed = setup.on_folder(command).await.ok();
        assert!(printed.contains(&file.name) && !printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn upload_urls_are_absolute_if_the_public_url_is_configured() {
    let server = Setup::new().with("server.public_url", "https://audio.example.com/").start().await;
    let session = open(&server.client(), &[&Recording::short(T0)]).await;
    assert!(url(&session, 0).starts_with("https://audio.example.com/v2/sync/uploads/parts/"), "{session}");
    let refused = Setup::new().with("server.public_url", "audio.example.com").refused().await;
    assert!(refused.contains("server.public_url"), "{refused}");
}
