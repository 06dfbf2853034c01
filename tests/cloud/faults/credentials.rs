//! Missing Google tokens, and missing keys to verify the tokens of others. Google itself is never reached here: without
//! a token no request is sent.

use std::io::Write;

use emulators::keys::Mode;
use emulators::tokens::TokenServer;
use rustix::process::Signal;
use serde_json::json;
use tempfile::NamedTempFile;
use testkit::skip;
use tests::wait::Stopwatch;

use super::*;
use crate::journey::cloud;

const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const NO_FILE: &str = "/nowhere/credentials.json";
const NO_KEYS: &str = "the keys of tokens could not be fetched";

fn file(server: &TokenServer) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(server.credentials().as_bytes()).unwrap();
    file
}

/// The function treats this emulator as Google's own service, and authenticates with the credentials in the file.
async fn with_credentials(cloud: &Cloud, program: &str, service: &str, path: &str) -> Function {
    // Google signs tokens for such addresses only.
    let process = (service == "CLOUD_TASKS_EMULATOR_HOST").then_some("https://process.example.com");
    let process = ("AFTERWORD_CLOUD_PROCESS_URL", process.or(Some(cloud.process_url.url.as_str())));
    Function::start(program, &cloud.env_with(&[(service, None), (FILE, Some(path)), process])).await
}

#[tokio::test]
async fn upload_without_credentials_is_refused_and_the_log_says_where_they_belong() {
    let cloud = with_short_timeouts(cloud!());
    warm_up(&cloud, &cloud.upload().await).await;
    let server = TokenServer::of_expired_credentials().await;
    let file = file(&server);
    let path = file.path().to_str().unwrap();
    for (path, reason) in [(NO_FILE, "/nowhere/credentials.json"), (path, "Token has been expired or revoked")] {
        let upload = with_credentials(&cloud, "afterword-upload", "STORAGE_EMULATOR_HOST", path).await;
        let client = cloud.client(&upload, "ann");
        let answer = client.upload(&[Recording::short(T0)]).await;
        assert_eq!(answer.problem(503, "storage_unavailable")["retry_after"], 60);
        let line = request_error(&upload, &answer).await;
        assert_line(&line, "ERROR", &["blobs.finish is misconfigured", "no credentials that Google takes: ", reason]);
        assert_remedy(&line, FILE);
        for secret in ["a-client-secret", "a-refresh-token"] {
            assert!(!upload.log.text().contains(secret), "{}", line.text);
        }
        client.assert_empty().await;
    }
    // The token server may also be away for a while; that passes.
    server.refuses(503, json!({"error": "temporarily_unavailable"}));
    let upload = with_credentials(&cloud, "afterword-upload", "STORAGE_EMULATOR_HOST", path).await;
    let client = cloud.client(&upload, "ann");
    let watch = Stopwatch::start();
    let answer = client.upload(&[Recording::short(T0)]).await;
    assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
    answer.problem(503, "storage_unavailable");
    assert_line(&request_error(&upload, &answer).await, "WARN", &["blobs.finish"]);
    client.assert_empty().await;
}

#[tokio::test]
async fn worker_without_credentials_puts_jobs_back() {
    let cloud = with_short_backoff(cloud!());
    let server = TokenServer::of_expired_credentials().await;
    let file = file(&server);
    let path = file.path().to_str().unwrap();
    let upload = cloud.upload().await;
    let mut poor = with_credentials(&cloud, "afterword-process", "STORAGE_EMULATOR_HOST", path).await;
    cloud.deliver_to(&[&poor]);
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::short(T0)]).await;
    let line = logged_of_job(&poor, "a file cannot be read until a person mends it", &job).await;
    assert_line(&line, "ERROR", &["blobs.read is misconfigured", "Token has been expired or revoked"]);
    assert_remedy(&line, FILE);
    poor.log.wait_step("put_back", &job).await;
    assert_eq!(client.job(&job).await["completed_at"], Value::Null);
    // The queue keeps its connections: it reaches the new function when the old one is gone, which puts its job back as
    // it ends.
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    poor.signal(Signal::TERM);
    poor.ended().await;
    finished(&cloud, &process, &client, &job).await;
    assert_placed_once(&client, 1).await;
}

#[tokio::test]
async fn missing_queue_credentials_only_delay_a_job() {
    let cloud = with_short_backoff(cloud!());
    let server = TokenServer::of_expired_credentials().await;
    let file = file(&server);
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let mut jobs = Vec::new();
    for (n, (path, reason)) in
        [(NO_FILE, "/nowhere/credentials.json"), (file.path().to_str().unwrap(), "Token has been expired or revoked")]
            .into_iter()
            .enumerate()
    {
        let upload = with_credentials(&cloud, "afterword-upload", "CLOUD_TASKS_EMULATOR_HOST", path).await;
        let client = cloud.client(&upload, "ann");
        let job = client.accepted(&[Recording::short(T0 + 10_000 * i64::try_from(n).unwrap())]).await;
        let message = "no task can be made until a person mends it; then the sweep will make it";
        let line = logged_of_job(&upload, message, &job).await;
        assert_line(&line, "ERROR", &["queue.enqueue is misconfigured", reason]);
        assert_remedy(&line, FILE);
        jobs.push((upload, client, job));
    }
    // A job without a task is due half a minute after it was accepted.
    for (_upload, client, job) in &jobs {
        finished(&cloud, &process, client, job).await;
    }
    assert_placed_once(&jobs[0].1, jobs.len()).await;
}

#[tokio::test]
async fn missing_database_credentials_give_503_and_are_logged_with_their_location() {
    let cloud = cloud!();
    let upload = with_credentials(&cloud, "afterword-upload", "FIRESTORE_EMULATOR_HOST", NO_FILE).await;
    let client = cloud.client(&upload, "ann");
    let answer = client.get("/v2/sync/jobs").await;
    assert_eq!(answer.problem(503, "storage_unavailable")["retry_after"], 60);
    let line = request_error(&upload, &answer).await;
    assert_line(&line, "ERROR", &["store.jobs is misconfigured", "/nowhere/credentials.json"]);
    assert_remedy(&line, FILE);
}

#[tokio::test]
async fn unreachable_key_server_rejects_users_only_temporarily() {
    let cloud = with_short_timeouts(cloud!());
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    let url = cloud.user_keys().url.clone();
    for (mode, reason) in [(Mode::Status(503), "503 Service Unavailable"), (Mode::Held, "timed out")] {
        cloud.user_keys().mode(mode);
        let watch = Stopwatch::start();
        let answer = eventually("it is called again", WAIT, async || {
            let answer = client.get("/v2/sync/jobs").await;
            upload.log.lines().iter().any(|line| line.field("why").contains(reason)).then_some(answer)
        })
        .await;
        assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
        assert_eq!(answer.problem(503, "storage_unavailable")["retry_after"], 10);
        assert_line(&request_error(&upload, &answer).await, "WARN", &["identity.keys is unavailable", &url, reason]);
        let line =
            logged(&upload, NO_KEYS, |line| line.field("message") == NO_KEYS && line.text.contains(reason)).await;
        assert_eq!((line.field("level"), line.field("url")), ("WARN", url.as_str()), "{}", line.text);
    }
    cloud.user_keys().mode(Mode::Serve);
    eventually("users are admitted", WAIT, async || (client.get("/v2/sync/jobs").await.status == 200).then_some(()))
        .await;
}

#[tokio::test]
async fn delivery_with_a_token_that_cannot_be_verified_is_repeated() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    cloud.task_keys().mode(Mode::Status(503));
    let (upload, process, client) = running(&cloud).await;
    warm_up(&cloud, &upload).await;
    let job = client.accepted(&[Recording::short(T0)]).await;
    let line = logged(&process, NO_KEYS, |line| line.field("message") == NO_KEYS).await;
    assert_eq!((line.field("level"), line.field("url")), ("WARN", cloud.task_keys().url.as_str()), "{}", line.text);
    let line = logged(&process, "the delivery is refused", |line| line.field("message") == "request failed").await;
    assert_line(&line, "WARN", &["identity.keys is unavailable", "503 Service Unavailable"]);
    assert_eq!(client.job(&job).await["status"], "queued");
    cloud.task_keys().mode(Mode::Serve);
    client.terminal(&job).await;
    finished(&cloud, &process, &client, &job).await;
    assert_placed_once(&client, 1).await;
}
