//! How a job ends, depending on its files and on the behaviour of the engine.

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::{Recording, Setup};

const MINUTE: i64 = 60;

fn file(job: &Value, index: usize) -> (&str, &str, &str) {
    let file = &job["files"][index];
    let text = |name: &str| file[name].as_str().unwrap_or("");
    (text("status"), text("code"), text("blame"))
}

#[tokio::test]
async fn two_files_ten_minutes_apart_go_into_the_conversation_that_the_app_named() {
    let server = Setup::new().start().await;
    let client = server.client();
    let id = "0b5d1c5e-8f3a-4c1e-9a51-3f1d7a6f2b11";
    let files = [Recording::speech(T0), Recording::short(T0 + 10 * MINUTE)];
    let answer = client.upload_to(&format!("?conversation_id={id}"), &files).await.ok();
    let job = client.terminal(answer["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["result"]["new_conversation_ids"], json!([id]));
    let conversations = client.conversations().await;
    assert_eq!(conversations.len(), 1, "{conversations:?}");
    assert_eq!(conversations[0]["id"], id);
    let segments = conversations[0]["segments"].as_array().unwrap();
    assert_eq!(segments.len() as u64, job["total_segments"].as_u64().unwrap());
    let last = segments.last().unwrap();
    assert!(last["start_ms"].as_i64().unwrap() > 9 * MINUTE * 1000, "{last}");
}

#[tokio::test]
async fn invalid_file_beside_a_valid_one_fails_alone() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = client.done(&[Recording::garbage(T0), Recording::speech(T0 + MINUTE)]).await;
    assert_eq!(job["status"], "partial_failure", "{job}");
    assert_eq!(file(&job, 0), ("failed", "invalid_audio", "content"));
    assert_eq!(file(&job, 1), ("done", "", ""));
    assert_eq!((&job["error"]["code"], &job["error"]["blame"]), (&json!("invalid_audio"), &json!("content")));
    assert!(!job["result"].is_null(), "{job}");
    let segments = client.segments().await;
    assert_eq!(segments.len() as u64, job["successful_segments"].as_u64().unwrap());
    assert!(segments.iter().all(|segment| !segment["text"].as_str().unwrap().is_empty()));
}

#[tokio::test]
async fn silent_file_is_completed_without_engine_call_conversation_or_usage() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = client.done(&[Recording::silence(T0)]).await;
    assert_eq!((&job["status"], &job["total_segments"]), (&json!("completed"), &json!(0)), "{job}");
    assert_eq!(file(&job, 0), ("silent", "", ""));
    assert_eq!(server.log.steps("transcribe"), 0);
    assert_eq!(client.conversations().await, [] as [Value; 0]);
    assert_eq!(client.usage().await, (0, 0, 0));
}

#[tokio::test]
async fn a_batch_without_a_usable_file_fails_as_invalid_audio() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = client.done(&[Recording::garbage(T0), Recording::garbage(T0 + MINUTE)]).await;
    assert_eq!((&job["status"], &job["result"]), (&json!("failed"), &Value::Null), "{job}");
    assert_eq!(job["error"]["code"], "invalid_audio");
    assert_eq!(job["error"]["retryable"], false);
    assert_eq!(client.usage().await, (0, 0, 0));
    server.folder().until_no_blobs(tests::wait::PATIENCE).await;
}

#[tokio::test]
async fn job_waits_for_an_engine_that_does_not_answer_or_returns_only_empty_text() {
    for fail in ["transient", "empty"] {
        let server = Setup::new().with("engine.null_fail", fail).start().await;
        let client = server.client();
        let job_id = client.accepted(&[Recording::speech(T0)]).await;
        let waits = |job: &Value| job["waiting_for"] == "engine";
        let job = client.until(&job_id, "waits for the engine", waits).await;
        assert_eq!((&job["status"], &job["attempt"]), (&json!("queued"), &json!(0)), "{fail}: {job}");
        assert!(job["until"].is_string() && job["error"].is_null(), "{fail}: {job}");
        assert_eq!(client.usage().await, (0, 0, 0), "{fail}");
        assert_eq!(client.conversations().await, [] as [Value; 0], "{fail}");
        assert!(!server.folder().blobs().is_empty(), "{fail}: the audio is needed again");
    }
}

#[tokio::test]
async fn a_job_that_waited_for_the_engine_completes_when_it_is_back() {
    let setup = Setup::new().with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1);
    let server = setup.clone().with("engine.null_fail", "transient").start().await;
    let job_id = server.client().accepted(&[Recording::speech(T0)]).await;
    server.client().until(&job_id, "waits for the engine", |job| job["waiting_for"] == "engine").await;
    server.kill9().await;
    let server = setup.start().await;
    let job = server.client().terminal(&job_id).await;
    assert_eq!((&job["status"], &job["waiting_for"]), (&json!("completed"), &Value::Null), "{job}");
}

#[tokio::test]
async fn audio_refused_by_the_engine_fails_as_invalid() {
    let server = Setup::new().with("engine.null_fail", "refuse").start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0)]).await;
    assert_eq!((&job["status"], &job["result"]), (&json!("failed"), &Value::Null), "{job}");
    assert_eq!(file(&job, 0), ("failed", "transcription_refused", "content"));
    assert_eq!(job["error"]["code"], "transcription_refused");
    assert_eq!(job["failed_segments"], job["total_segments"]);
    assert_eq!(client.usage().await, (0, 0, 0));
}
