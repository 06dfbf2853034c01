//! Every refusal of resumable uploads, as listed in `docs/openapi.json`.

use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::{T0, name};
use tests::wait::{PATIENCE, now_secs};
use tests::{Recording, Setup, eventually};

use crate::sessions::{OPEN, asked, complete, offer, open, put, try_open, url};

fn changed(file: &Recording, field: &str, value: Value) -> Value {
    let mut offer = offer(file);
    offer[field] = value;
    offer
}

#[tokio::test]
async fn invalid_files_are_named_before_any_byte_is_sent() {
    let setup =
        Setup::new().with("limits.resumable_max_file_bytes", 1000).with("limits.resumable_max_batch_bytes", 1500);
    let server = setup.with("limits.max_files", 4).with("limits.recovery_window_seconds", 86_400).start().await;
    let client = server.client();
    let at = now_secs() - 3600;
    let small = |at: i64| Recording::new(name(at), vec![7; 900]);
    let good = offer(&small(at));
    let bad_name = changed(&small(at), "name", "notes.txt".into());
    let empty = changed(&small(at + 1), "size", 0.into());
    let answer = try_open(&client, &[bad_name.clone(), good.clone(), good.clone(), empty.clone()]).await;
    answer.problem(400, "invalid_filename");
    let (twice, nothing) = (name(at), name(at + 1));
    let wanted = [("notes.txt", "invalid_filename"), (&*twice, "duplicate_filename"), (&*nothing, "empty_file")];
    assert_eq!(answer.bad_files(), wanted);
    let rows = [
        (vec![empty], 400, "empty_file"),
        (vec![good.clone(), good.clone()], 400, "duplicate_filename"),
        (vec![], 400, "empty_batch"),
        (vec![changed(&small(at), "size", 1001.into())], 413, "file_too_large"),
        (vec![good.clone(), offer(&small(at + 1))], 413, "batch_too_large"),
        (vec![good.clone(); 5], 413, "too_many_files"),
        (vec![offer(&small(now_secs() + 4000))], 422, "recording_in_future"),
        (vec![offer(&small(now_secs() - 90_000))], 422, "recording_too_old"),
        (vec![changed(&small(at), "sha256", "abc".into())], 400, "invalid_parameter"),
        (vec![changed(&small(at), "crc32c", "abc".into())], 400, "invalid_parameter"),
        (vec![changed(&small(at), "captured_at", "soon".into())], 400, "invalid_parameter"),
        (vec![changed(&small(at), "size", (-1).into())], 400, "invalid_json"),
        (vec![changed(&small(at), "size", "1".into())], 400, "invalid_json"),
    ];
    for (files, status, code) in rows {
        let answer = try_open(&client, &files).await;
        answer.problem(status, code);
        if code == "invalid_parameter" {
            assert_eq!(answer.bad_files(), [(&*name(at), "invalid_parameter")]);
        }
    }
    let send = async |body: Value| client.send(client.request(Method::POST, OPEN).json(&body)).await;
    send(json!({"files": [good], "language": "no language"})).await.problem(400, "invalid_parameter");
    send(json!({"files": [good], "conversation_id": "x"})).await.problem(400, "invalid_parameter");
    send(json!({"file": [good]})).await.problem(400, "invalid_json");
    try_open(&server.client_without_token(), std::slice::from_ref(&good)).await.problem(401, "unauthenticated");
    client.assert_empty().await;
    assert_eq!(send(json!({"files": [good], "unknown": 1})).await.status, 201, "unknown fields are ignored");
}

#[tokio::test]
async fn invalid_ranges_write_nothing() {
    let server = Setup::new().start().await;
    let file = Recording::speech(T0);
    let (size, session) = (file.bytes.len(), open(&server.client(), &[&file]).await);
    let url = url(&session, 0);
    let put = async |range: &str, bytes: usize| put(&server, &url, range, file.bytes.slice(..bytes)).await;
    let bad = [
        ("bytes 10-19/*", 10),
        ("bytes 9-0/*", 10),
        ("bytes 0-9/5", 10),
        (&format!("bytes 0-{size}/*"), 10),
        ("bytes 0-99999999999999999999/*", 10),
        ("chunks 0-9/*", 10),
        ("bytes 0-9/*", 9),
        ("bytes 0-9/*", 11),
        ("bytes */*", 1),
        ("bytes */7", 0),
        ("", 10),
    ];
    for (range, bytes) in bad {
        let answer = put(range, bytes).await;
        answer.problem(416, "invalid_range");
        assert_eq!(answer.header("range"), "", "nothing is there after `{range}`");
    }
    assert_eq!(put("bytes 0-9/*", 10).await.status, 308);
    let gap = put("bytes 11-20/*", 10).await;
    gap.problem(416, "invalid_range");
    assert_eq!(gap.header("range"), "bytes=0-9", "the answer reports the received bytes");
    let client_without_token = server.client_without_token();
    let twice = client_without_token.request(Method::PUT, &url).header("content-range", "bytes */*");
    client_without_token.send(twice.header("content-range", "bytes */*")).await.problem(416, "invalid_range");
    // Without a length, only the bytes themselves show it.
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(file.bytes.slice(10..40))]);
    let long = client_without_token.request(Method::PUT, &url).header("content-range", "bytes 10-19/*");
    client_without_token.send(long.body(reqwest::Body::wrap_stream(chunks))).await.problem(416, "invalid_range");
    assert_eq!(asked(&server, &url).await, 20, "only the bytes within the range count");
}

#[tokio::test]
async fn bytes_that_differ_from_the_announced_digest_are_discarded() {
    let server = Setup::new().start().await;
    let (client, file) = (server.client(), Recording::short(T0));
    let session = open(&client, &[&file]).await;
    let wrong = vec![7; file.bytes.len()];
    let answer = put(&server, &url(&session, 0), "", wrong).await;
    answer.problem(422, "digest_mismatch");
    assert_eq!(answer.bad_files(), [(&*file.name, "digest_mismatch")]);
    assert_eq!(asked(&server, &url(&session, 0)).await, 0);
    assert_eq!(put(&server, &url(&session, 0), "", file.bytes.clone()).await.status, 200);
}

#[tokio::test]
async fn incomplete_files_are_named_with_their_received_bytes() {
    let server = Setup::new().start().await;
    let (client, files) = (server.client(), [Recording::short(T0), Recording::short(T0 + 1000)]);
    let session = open(&client, &[&files[0], &files[1]]).await;
    put(&server, &url(&session, 0), "", files[0].bytes.clone()).await.ok();
    put(&server, &url(&session, 1), "bytes 0-41/*", files[1].bytes.slice(..42)).await;
    let answer = complete(&client, &session).await;
    let errors = &answer.problem(409, "upload_incomplete")["errors"];
    assert_eq!(answer.bad_files(), [(&*files[1].name, "upload_incomplete")]);
    assert_eq!(errors[0]["offset"], 42);
}

#[tokio::test]
async fn upload_of_another_user_cannot_be_reached() {
    let server = Setup::new().start().await;
    let (client, other, file) = (server.client(), server.client_of("other").await, Recording::short(T0));
    let session = open(&client, &[&file]).await;
    let theirs = open(&other, &[&file]).await;
    assert_ne!(session["job_id"], theirs["job_id"]);
    complete(&other, &session).await.problem(403, "not_your_job");
    complete(&other, &json!({"job_id": "nothing"})).await.problem(404, "job_not_found");
    complete(&server.client_without_token(), &session).await.problem(401, "unauthenticated");
    let (mine, their) = (url(&session, 0), url(&theirs, 0));
    let (address, secret) = mine.rsplit_once('.').unwrap();
    let (_, their_secret) = their.rsplit_once('.').unwrap();
    let wrong = [
        format!("{address}.{their_secret}"),
        format!("{address}.{}", &secret[1..]),
        format!("{address}."),
        address.to_owned(),
        mine.replace(".0.", ".1."),
        mine.replace(".0.", ".99999999999999999999."),
        "/v2/sync/uploads/parts/x".to_owned(),
        format!("/v2/sync/uploads/parts/00000000-0000-4000-8000-000000000000.0.{secret}"),
    ];
    for url in wrong {
        let answer = put(&server, &url, "", file.bytes.clone()).await;
        assert_eq!(answer.problem(404, "upload_not_found")["instance"], "/v2/sync/uploads/parts/{upload}", "{url}");
    }
    assert_eq!(asked(&server, &mine).await, 0, "nothing was written");
}

#[tokio::test]
async fn cancelled_session_accepts_no_more_bytes_and_leaves_nothing() {
    let server = Setup::new().start().await;
    let (client, file) = (server.client(), Recording::short(T0));
    let session = open(&client, &[&file]).await;
    put(&server, &url(&session, 0), "bytes 0-9/*", file.bytes.slice(..10)).await;
    let path = format!("/v2/sync/jobs/{}", session["job_id"].as_str().unwrap());
    client.send(client.request(Method::POST, &format!("{path}/retry"))).await.problem(409, "not_retryable");
    let answer = client.send(client.request(Method::DELETE, &path)).await;
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("cancelled")), "{}", answer.text);
    put(&server, &url(&session, 0), "bytes 10-19/*", file.bytes.slice(10..20)).await.problem(410, "upload_expired");
    complete(&client, &session).await.problem(409, "job_finished");
    server.folder().until_no_blobs(PATIENCE).await;
}

#[tokio::test]
async fn oldest_session_expires_above_the_limit() {
    let server = Setup::new().with("limits.open_sessions_per_user", 2).start().await;
    let client = server.client();
    let mut sessions = Vec::new();
    for n in 0..3 {
        sessions.push(open(&client, &[&Recording::short(T0 + n)]).await);
    }
    let job = client.job(sessions[0]["job_id"].as_str().unwrap()).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("cancelled"), &json!("upload_expired")));
    assert_eq!(asked(&server, &url(&sessions[1], 0)).await, 0);
}

/// Between its creation and the URLs of its files, the session was cancelled for another one: a repeated request opens
/// a new one.
#[tokio::test]
async fn session_cancelled_while_it_is_opened_is_reported() {
    let server = Setup::new().with("limits.open_sessions_per_user", 1).start().await;
    let (client, next) = (server.client(), AtomicI64::new(T0));
    let opened = async |_| try_open(&client, &[offer(&Recording::short(next.fetch_add(10, Relaxed)))]).await;
    let conflict = eventually("two were opened at the same moment", PATIENCE, async || {
        let answers = join_all((0..16).map(opened)).await;
        assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)), "{answers:?}");
        answers.into_iter().find(|answer| answer.status == 409)
    });
    conflict.await.problem(409, "job_finished");
    let open = client.get("/v2/sync/jobs?status=uploading").await.ok();
    assert_eq!(open["jobs"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn session_is_refused_on_a_full_disk() {
    let server = Setup::new().with("blobs.reserve_bytes", u64::MAX / 2).start().await;
    try_open(&server.client(), &[offer(&Recording::short(T0))]).await.problem(503, "storage_unavailable");
    server.client().assert_empty().await;
}
