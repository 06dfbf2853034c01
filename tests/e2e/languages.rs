//! A recording in a language that the engine does not support: its job waits, is shown as waiting, and continues when
//! an engine with that language is available.

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::{PATIENCE, eventually};
use tests::{Recording, Setup};

/// Longer than any test waits: whatever continues earlier was woken.
const LONG: u64 = 1800;

#[tokio::test]
async fn recording_in_an_unsupported_language_waits_until_a_start_with_a_suitable_engine() {
    let setup = Setup::new().with("jobs.backoff_min_seconds", LONG).with("jobs.backoff_max_seconds", LONG);
    let server = setup.clone().with("engine.null_languages", "en").start().await;
    let client = server.client();
    let files = [Recording::short(T0), Recording::silence(T0 + 60)];
    let answer = client.upload_to("?language=es-MX", &files).await;
    let job_id = answer.body["job_id"].as_str().unwrap().to_owned();
    let job = client.until(&job_id, "waits for an engine", |job| job["waiting_for"] == "engine").await;
    assert_eq!((&job["status"], &job["attempt"], &job["error"]), (&json!("queued"), &json!(0), &Value::Null), "{job}");
    assert!(job["until"].is_string(), "{job}");
    let detail = "the speech engine does not support the language of the recording (es-MX)";
    assert_eq!(job["waiting"]["detail"], detail, "{job}");
    assert_eq!((server.log.steps("transcribe"), client.usage().await), (0, (0, 0, 0)));
    assert_eq!(server.folder().blobs().len(), 2, "the audio is still needed");
    let alert = server.log.wait("the alert", PATIENCE, |line| line.field("language") == "es-MX").await;
    assert_eq!((alert.field("level"), alert.field("job_id")), ("ERROR", job_id.as_str()), "{alert:?}");
    // No other job waits because of it.
    client.done(&[Recording::short(T0 + 1000)]).await;

    server.kill9().await;
    let server = setup.start().await;
    let job = server.client().terminal(&job_id).await;
    assert_eq!((&job["status"], &job["waiting_for"]), (&json!("completed"), &Value::Null), "{job}");
}

#[tokio::test]
async fn unsupported_language_is_logged_once_and_fails_after_the_longest_wait() {
    let setup = Setup::new().with("engine.null_languages", "en, de").with("jobs.max_wait_seconds", 3);
    let server = setup.with("jobs.backoff_min_seconds", 0).with("jobs.backoff_max_seconds", 1).start().await;
    let client = server.client();
    let answer = client.upload_to("?language=es", &[Recording::short(T0)]).await;
    let job_id = answer.body["job_id"].as_str().unwrap().to_owned();
    let job = client.terminal(&job_id).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("waited_too_long")), "{job}");
    assert_eq!((&job["error"]["blame"], &job["error"]["retryable"]), (&json!("service"), &json!(true)), "{job}");
    let logged = eventually("the job was claimed several times", PATIENCE, async || {
        (server.log.steps("claim") > 2).then(|| server.log.count(|line| line.field("language") == "es"))
    });
    assert_eq!(logged.await, 1);
    assert_eq!(client.usage().await, (0, 0, 0));
}
