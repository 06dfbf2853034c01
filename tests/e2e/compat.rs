//! The routes for shipped clients: each answer that `docs/openapi.json` lists for them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::{T0, name};
use tests::wait::{PATIENCE, now_secs};
use tests::{Answer, Client, Recording, Server, Setup, eventually};

const V2: &str = "/v2/sync-local-files";
const V1: &str = "/v1/sync-local-files";
const MINUTE: i64 = 60;
/// Longer than the limit for one wait of a test.
const FOR_EVER_MS: u64 = 600_000;

fn keys(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn status(client: &Client, job_id: &str) -> Value {
    let answer = client.get(&format!("{V2}/{job_id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

fn job_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.body["job_id"].as_str().unwrap().to_owned()
}

/// Uploads, waits for the end of the job, and reads it as a shipped client does.
async fn ended(client: &Client, files: &[Recording]) -> Value {
    let id = job_id(&client.post(V2, files).await);
    client.terminal(&id).await;
    status(client, &id).await
}

/// Silence on both sides of an undecodable part.
fn damaged(at: i64) -> Recording {
    let silence = Recording::silence(at);
    let lost = [&silence.bytes[..], &70_000_u32.to_le_bytes(), &silence.bytes[..]].concat();
    Recording::new(name(at), lost)
}

#[tokio::test]
async fn post_v2_200_no_speech_in_any_file_is_a_completed_job_and_empty_lists() {
    let server = Setup::new().start().await;
    let client = server.client();
    let files = [Recording::silence(T0), Recording::silence(T0 + MINUTE)];
    let answer = client.post(V2, &files).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"new_memories":[],"updated_memories":[]}"#));
    let jobs = client.jobs().await;
    assert_eq!((jobs.len(), &jobs[0]["status"]), (1, &json!("completed")));
    assert!(jobs[0]["files"].as_array().unwrap().iter().all(|file| file["status"] == "silent"), "{jobs:?}");
    assert_eq!(jobs[0]["files"][0]["duration_ms"], 1000);
    assert_eq!((server.log.steps("claim"), server.log.steps("enqueue")), (0, 0));
    server.folder().until_no_blobs(PATIENCE).await;
    // A client whose recordings are known already is given the job that has them.
    let again = client.post(V2, &files).await;
    assert_eq!((again.status, &again.body["job_id"]), (202, &jobs[0]["job_id"]));
    assert_eq!(again.body["status"], "completed");
}

#[tokio::test]
async fn post_v2_202_speech_or_uncertainty_is_left_to_the_worker() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let client = server.client();
    let answer = client.post(V2, &[Recording::speech(T0), Recording::silence(T0 + MINUTE)]).await;
    let id = job_id(&answer);
    let wanted =
        json!({"job_id": id, "status": "queued", "total_files": 2, "total_segments": 0, "poll_after_ms": 3000});
    assert_eq!(answer.body, wanted);
    for doubtful in [damaged(T0 + 1000), Recording::garbage(T0 + 2000)] {
        job_id(&client.post(V2, &[doubtful]).await);
    }
    let known = client.post(V2, &[Recording::speech(T0)]).await;
    assert_eq!(job_id(&known), id, "the job with these recordings is returned");
}

#[tokio::test]
async fn post_v2_202_audio_too_long_or_not_searchable_is_left_to_the_worker() {
    for (key, value) in [("limits.inline_audio_seconds", 0), ("limits.inline_audio_seconds", 1)] {
        let server = Setup::new().with(key, value).start().await;
        let client = server.client();
        let files = [Recording::silence(T0), Recording::silence(T0 + MINUTE)];
        let id = job_id(&client.post(V2, &files).await);
        let job = client.terminal(&id).await;
        assert_eq!(job["status"], "completed", "{job}");
        assert_eq!(server.log.steps("claim"), 1, "{key} = {value}");
    }
}

/// Limits that a test can reach, and recordings that are recent enough.
fn small() -> Setup {
    let setup = Setup::new().with("limits.max_file_bytes", 100_000).with("limits.max_batch_bytes", 150_000);
    setup.with("limits.max_files", 3).with("limits.recovery_window_seconds", 86_400)
}

#[tokio::test]
async fn refusals_equal_those_of_the_upload_route_and_store_nothing() {
    let server = small().start().await;
    let (client, now) = (server.client(), now_secs() - 3600);
    let good = Recording::short(now);
    let sized = |at: i64, bytes: usize| Recording::new(name(at), vec![0; bytes]);
    let other_digest = format!("sha-256=:{}=:", "A".repeat(43));
    for route in [V2, V1] {
        for (status, code, files) in [
            (400, "invalid_filename", vec![good.clone(), Recording::new("notes.txt", "abc")]),
            (400, "duplicate_filename", vec![good.clone(), good.clone()]),
            (400, "empty_file", vec![sized(now, 0)]),
            (413, "file_too_large", vec![sized(now, 100_001)]),
            (413, "batch_too_large", vec![sized(now, 90_000), sized(now + 1, 90_000)]),
            (413, "too_many_files", (0..4).map(|n| sized(now + n, 10)).collect()),
            (422, "digest_mismatch", vec![good.clone().header("content-digest", &other_digest)]),
            (422, "recording_in_future", vec![Recording::short(now + 7200)]),
            (422, "backfill_lookback_exceeded", vec![Recording::short(T0)]),
        ] {
            client.post(route, &files).await.problem(status, code);
        }
        client
            .post(&format!("{route}?language=en_US"), std::slice::from_ref(&good))
            .await
            .problem(400, "invalid_parameter");
        server.client_without_token().post(route, std::slice::from_ref(&good)).await.problem(401, "unauthenticated");
        let form = reqwest::multipart::Form::new().text("note", "no recording here");
        client.send(client.request(Method::POST, route).multipart(form)).await.problem(400, "empty_batch");
        let broken = client.request(Method::POST, route).header("content-type", "multipart/form-data; boundary=b");
        client.send(broken.body("hello")).await.problem(400, "malformed_multipart");
    }
    // The route for new clients has its own code for it.
    client.upload(&[Recording::short(T0)]).await.problem(422, "recording_too_old");
    client.assert_empty().await;
    server.folder().until_no_blobs(PATIENCE).await;
}

#[tokio::test]
async fn get_200_unfinished_job_has_no_result_and_no_error() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let client = server.client();
    let id = job_id(&client.post(V2, &[Recording::short(T0)]).await);
    let job = eventually("it is planned", PATIENCE, async || {
        let job = status(&client, &id).await;
        (job["total_segments"] == 1).then_some(job)
    })
    .await;
    let wanted = ["job_id", "status", "total_segments", "processed_segments", "successful_segments", "failed_segments"];
    assert_eq!((keys(&job), &job["status"]), (wanted.to_vec(), &json!("processing")));
}

#[tokio::test]
async fn get_200_completed_names_new_and_updated_conversations() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = ended(&client, &[Recording::short(T0)]).await;
    let conversation = client.conversations().await.remove(0)["id"].clone();
    assert_eq!((&job["status"], &job["successful_segments"]), (&json!("completed"), &json!(1)), "{job}");
    let result = |new: Value, updated: Value| json!({"new_memories": new, "updated_memories": updated, "failed_segments": 0, "total_segments": 1, "errors": []});
    assert_eq!(job["result"], result(json!([conversation]), json!([])));
    assert!(job.get("error").is_none() && job.get("reason_code").is_none(), "{job}");
    let job = ended(&client, &[Recording::short(T0 + 30)]).await;
    assert_eq!(job["result"], result(json!([]), json!([conversation])));
}

#[tokio::test]
async fn get_200_partial_failure_has_a_result_with_the_errors() {
    let server = Setup::new().start().await;
    let garbage = Recording::garbage(T0);
    let job = ended(&server.client(), &[garbage.clone(), Recording::short(T0 + MINUTE)]).await;
    assert_eq!(
        (&job["status"], &job["reason_code"]),
        (&json!("partial_failure"), &json!("sync_invalid_audio")),
        "{job}"
    );
    assert_eq!(job["result"]["new_memories"].as_array().unwrap().len(), 1);
    let errors = job["result"]["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].as_str().unwrap().starts_with(&format!("{}: ", garbage.name)), "{errors:?}");
    assert!(job["error"].as_str().unwrap().starts_with("1 of 2 files failed. First error: "), "{job}");
}

#[tokio::test]
async fn get_200_all_failed_has_the_message_and_the_reason() {
    let server = Setup::new().with("engine.null_fail", "refuse").start().await;
    let client = server.client();
    let job = ended(&client, &[Recording::short(T0), Recording::short(T0 + MINUTE)]).await;
    assert_eq!((&job["status"], &job["reason_code"]), (&json!("failed"), &json!("transcription_refused")), "{job}");
    assert!(
        job["error"].as_str().unwrap().starts_with("All 2 segments failed. First error: the speech engine "),
        "{job}"
    );
    assert!(job.get("result").is_none(), "{job}");
    let invalid = ended(&client, &[Recording::garbage(T0)]).await;
    assert_eq!((&invalid["status"], &invalid["reason_code"]), (&json!("failed"), &json!("sync_invalid_audio")));
}

#[tokio::test]
async fn get_200_internal_failure_has_no_reason_and_says_that_a_worker_died() {
    let setup = Setup::new().with("engine.null_fail", "transient").with("jobs.max_wait_seconds", 1);
    let setup = setup.with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1);
    let server = setup.with("sweep.interval_seconds", 1).start().await;
    let job = ended(&server.client(), &[Recording::short(T0)]).await;
    assert_eq!(job["status"], "failed", "{job}");
    assert!(job.get("reason_code").is_none() && job["retry_after"].is_u64(), "{job}");
    let error = job["error"].as_str().unwrap();
    assert!(error.starts_with("All 1 segments failed. First error: background worker likely died: "), "{error}");
}

#[tokio::test]
async fn get_200_a_cancelled_job_appears_as_failed() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let client = server.client();
    let id = job_id(&client.post(V2, &[Recording::short(T0)]).await);
    client.send(client.request(Method::DELETE, &format!("/v2/sync/jobs/{id}"))).await.ok();
    let job = status(&client, &id).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("failed"), &json!("The job was cancelled.")));
}

#[tokio::test]
async fn get_404_and_403_have_the_details_that_shipped_clients_know() {
    let server = Setup::new().start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    for unknown in ["6f0c7a52-1111-4222-8333-444455556666", "x"] {
        let answer = ann.get(&format!("{V2}/{unknown}")).await;
        assert_eq!(answer.problem(404, "job_not_found")["detail"], "Sync job not found or expired");
    }
    let id = job_id(&ann.post(V2, &[Recording::short(T0)]).await);
    let answer = ben.get(&format!("{V2}/{id}")).await;
    assert_eq!(answer.problem(403, "not_your_job")["detail"], "Not authorized to view this sync job");
    server.client_without_token().get(&format!("{V2}/{id}")).await.problem(401, "unauthenticated");
}

fn is_deprecated(answer: &Answer) {
    assert_eq!(answer.header("deprecation"), "true", "{}", answer.text);
    assert_eq!(answer.header("link"), "</v2/sync-local-files>; rel=\"successor-version\"");
}

async fn v1(server: &Server, files: &[Recording]) -> Answer {
    let answer = server.client().post(V1, files).await;
    is_deprecated(&answer);
    answer
}

#[tokio::test]
async fn post_v1_200_everything_is_transcribed_or_silent() {
    let server = Setup::new().start().await;
    let files = [Recording::short(T0), Recording::silence(T0 + MINUTE)];
    let answer = v1(&server, &files).await;
    let conversation = server.client().conversations().await.remove(0)["id"].clone();
    assert_eq!((answer.status, &answer.body), (200, &json!({"new_memories": [conversation], "updated_memories": []})));
    let again = v1(&server, &files).await;
    assert_eq!((again.status, again.body), (200, answer.body), "the request finds its job");
    let silent = v1(&server, &[Recording::silence(T0)]).await;
    assert_eq!((silent.status, silent.text.as_str()), (200, r#"{"new_memories":[],"updated_memories":[]}"#));
    assert_eq!(server.client().usage().await.0, 1);
}

#[tokio::test]
async fn v1_upload_with_some_failed_files_is_answered_207() {
    let server = Setup::new().start().await;
    let answer = v1(&server, &[Recording::garbage(T0), Recording::short(T0 + MINUTE)]).await;
    assert_eq!(answer.status, 207, "{}", answer.text);
    let wanted = ["new_memories", "updated_memories", "failed_segments", "total_segments", "errors"];
    assert_eq!(keys(&answer.body), wanted);
    assert_eq!((&answer.body["total_segments"], answer.body["errors"].as_array().unwrap().len()), (&json!(1), 1));
}

#[tokio::test]
async fn v1_upload_with_only_failed_files_is_answered_500() {
    let server = Setup::new().with("engine.null_fail", "refuse").start().await;
    let answer = v1(&server, &[Recording::short(T0)]).await;
    let body = answer.problem(500, "job_failed");
    assert_eq!(body["reason_code"], "transcription_refused");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.starts_with("All 1 segments failed. First error: "), "{detail}");
    let invalid = v1(&server, &[Recording::garbage(T0)]).await;
    assert_eq!(invalid.problem(500, "job_failed")["reason_code"], "sync_invalid_audio");
}

#[tokio::test]
async fn post_v1_504_names_the_job_and_the_job_continues() {
    let setup = Setup::new().with("limits.synchronous_wait_seconds", 1).with("engine.null_delay_ms", 3000);
    let server = setup.start().await;
    let files = [Recording::short(T0)];
    let answer = v1(&server, &files).await;
    answer.problem(504, "still_processing");
    let id = answer.body["job_id"].as_str().unwrap();
    assert_eq!(server.client().terminal(id).await["status"], "completed");
    assert_eq!(v1(&server, &files).await.status, 200);
    assert_eq!(server.client().usage().await.0, 1);
}

#[tokio::test]
async fn post_v1_number_of_waiting_requests_is_bounded_and_they_end_with_their_client() {
    let setup = Setup::new().with("limits.synchronous_waits", 1).with("engine.null_delay_ms", FOR_EVER_MS);
    let server = setup.start().await;
    let client = server.client();
    let files = [Recording::short(T0)];
    let waiting = {
        let (client, files) = (client.clone(), files.clone());
        // If another request takes the permit in between, the client asks again.
        tokio::spawn(async move { while client.try_post(V1, &files).await.is_ok() {} })
    };
    // The only permit is taken: the others are told at once where their job is.
    eventually("the second request does not wait", PATIENCE, async || {
        waits_no_longer(&client, &files).await.map(|answer| answer.problem(504, "still_processing").clone())
    })
    .await;
    waiting.abort();
    eventually("the permit is free again", PATIENCE, async || {
        waits_no_longer(&client, &files).await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn post_v1_waiting_requests_end_at_shutdown() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let (client, files) = (server.client(), [Recording::short(T0)]);
    let waiting = tokio::spawn(async move { client.try_post(V1, &files).await });
    server.log.wait("its job is worked on", PATIENCE, |line| line.is_step("claim")).await;
    server.sigterm().await;
    let answer = waiting.await.unwrap().expect("the connection was cut off");
    assert!(answer.problem(504, "still_processing")["job_id"].is_string());
}

#[tokio::test]
async fn post_v1_complete_batch_is_accepted_although_its_client_disconnects() {
    let server = Setup::new().start().await;
    let (client, one) = (server.client(), Recording::silence(T0));
    // Long enough for the search for speech to take a while.
    let minutes = Recording::new(one.name, one.bytes.repeat(590));
    let uploading = {
        let client = client.clone();
        tokio::spawn(async move { client.try_post(V1, &[minutes]).await })
    };
    let staged = async || server.folder().blobs().iter().any(|blob| blob.contains("uploads/")).then_some(());
    eventually("it is staged", PATIENCE, staged).await;
    uploading.abort();
    eventually("it is a job", PATIENCE, async || (!client.jobs().await.is_empty()).then_some(())).await;
    server.folder().until_no_blobs(PATIENCE).await;
}

/// The answer, if it comes at once. When the client stops waiting, its permit is free again.
async fn waits_no_longer(client: &Client, files: &[Recording]) -> Option<Answer> {
    tokio::time::timeout(Duration::from_millis(700), client.post(V1, files)).await.ok()
}

#[tokio::test]
async fn post_v1_every_answer_says_that_it_is_deprecated() {
    let server = Setup::new().start().await;
    let (client, client_without_token) = (server.client(), server.client_without_token());
    let good = [Recording::short(T0)];
    for (answer, status) in [
        (client_without_token.post(V1, &good).await, 401),
        (client.post(V1, &[]).await, 400),
        (client.get(V1).await, 405),
        (client.send(client.request(Method::POST, V1).body("{}")).await, 415),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text);
        is_deprecated(&answer);
    }
    let v2 = client.post(V2, &good).await;
    assert_eq!((v2.header("deprecation"), v2.header("link")), ("", ""));
}
