//! A recording of which a part cannot be decoded: its text is available, and no client is told that it may delete the
//! file.

use serde_json::{Value, json};
use tests::recordings::T0;
use tests::{Client, Recording, Setup};

/// A second of speech followed by an invalid frame: its length is above that of any frame.
fn damaged(at: i64) -> Recording {
    let Recording { name, bytes, .. } = Recording::short(at);
    let rest = [&70_000_u32.to_le_bytes()[..], &[0x55; 6_000]].concat();
    Recording::new(name, [&bytes[..], &rest].concat())
}

/// The same second, cut off inside its last frame, as by a device that loses power.
fn cut_off(at: i64) -> Recording {
    let Recording { name, bytes, .. } = Recording::short(at);
    Recording::new(name, bytes.slice(..bytes.len() - 100))
}

fn assert_reported(job: &Value) {
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("partial_failure"), &json!("partly_decoded")), "{job}");
    let file = &job["files"][0];
    assert_eq!((&file["status"], &file["code"]), (&json!("done"), &json!("partly_decoded")), "{file}");
    assert_eq!((&file["blame"], &file["retryable"]), (&json!("content"), &json!(false)), "{file}");
    assert!(file["dropped_bytes"].as_u64() > Some(6_000) && file["segments"] == file["done"], "{file}");
}

#[tokio::test]
async fn partial_decoding_is_reported_at_every_upload_of_the_recording() {
    let server = Setup::new().start().await;
    let (client, recording) = (server.client(), damaged(T0));
    let job = client.done(std::slice::from_ref(&recording)).await;
    assert_reported(&job);
    let (usage, all_conversations) = (client.usage().await, client.conversations().await);
    assert_eq!((usage.0, all_conversations.len()), (1, 1));
    let retry =
        client.request(reqwest::Method::POST, &format!("/v2/sync/jobs/{}/retry", job["job_id"].as_str().unwrap()));
    client.send(retry).await.problem(409, "not_retryable");

    let again = client.upload(std::slice::from_ref(&recording)).await.ok();
    assert_eq!((&again["job_id"], &again["deduplicated"]), (&job["job_id"], &json!(true)));
    // Beside a complete recording the job is created in its final state.
    let whole = Recording::short(T0 + 100_000);
    assert_eq!(client.done(std::slice::from_ref(&whole)).await["status"], "completed");
    let both = client.upload(&[recording, whole]).await.ok();
    assert_eq!((&both["status"], &both["deduplicated"]), (&json!("partial_failure"), &json!(true)), "{both}");
    let born = client.job(both["job_id"].as_str().unwrap()).await;
    assert_reported(&born);
    assert_eq!((&born["files"][1]["status"], &born["files"][1]["code"]), (&json!("done"), &Value::Null), "{born}");
    assert_eq!((client.usage().await.0, server.log.steps("transcribe")), (2, 2), "nothing is done twice");
    server.folder().until_no_blobs(tests::wait::PATIENCE).await;
}

/// An incomplete last packet, which every device leaves, is not damage.
#[tokio::test]
async fn incomplete_last_frame_is_not_reported() {
    let server = Setup::new().start().await;
    let job = server.client().done(&[cut_off(T0)]).await;
    assert_eq!((&job["status"], &job["files"][0]["status"]), (&json!("completed"), &json!("done")), "{job}");
    assert_eq!((&job["files"][0]["code"], &job["files"][0]["dropped_bytes"]), (&Value::Null, &json!(224)), "{job}");
}

async fn polled(client: &Client, job: &Value) -> Value {
    let id = job["job_id"].as_str().unwrap();
    client.terminal(id).await;
    client.get(&format!("/v2/sync-local-files/{id}")).await.ok()
}

/// Shipped clients keep the files, and give up by themselves after the third upload.
#[tokio::test]
async fn shipped_clients_get_a_partial_failure_each_time_and_nothing_is_done_twice() {
    let server = Setup::new().start().await;
    let (client, recording) = (server.client(), damaged(T0));
    for round in 1..=3 {
        let answer = client.post("/v2/sync-local-files", std::slice::from_ref(&recording)).await;
        assert_eq!(answer.status, 202, "a 200 would allow the client to delete it: {}", answer.text);
        let status_body = polled(&client, &answer.body).await;
        let status = (&status_body["status"], &status_body["reason_code"]);
        assert_eq!(status, (&json!("partial_failure"), &json!("partly_decoded")), "round {round}: {status_body}");
        assert_eq!((client.usage().await.0, server.log.steps("transcribe")), (1, 1), "round {round}");
    }
    let answer = client.post("/v1/sync-local-files", &[recording]).await;
    assert_eq!(answer.status, 207, "{}", answer.text);
}

/// The upload is answered with 200 only if silence is proven: damage is not silence.
#[tokio::test]
async fn damaged_silent_recording_is_never_answered_with_200() {
    let server = Setup::new().start().await;
    let (client, Recording { name, bytes, .. }) = (server.client(), Recording::silence(T0));
    let damaged = [&bytes[..], &70_000_u32.to_le_bytes(), &[0x55; 6_000]].concat();
    let answer = client.post("/v2/sync-local-files", &[Recording::new(name, damaged)]).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let status_body = polled(&client, &answer.body).await;
    assert_eq!(status_body["reason_code"], "sync_invalid_audio", "{status_body}");
}
