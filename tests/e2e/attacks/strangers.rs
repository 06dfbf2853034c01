//! No id and no cursor gives access to the data of another user.

use reqwest::Method;
use serde_json::Value;
use tests::recordings::T0;
use tests::{Answer, Client, Recording};

use super::{Target, methods};

const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

/// Uploads this many recordings, each of which becomes a conversation of its own.
async fn upload_speech(client: &Client, first: i64, many: i64) -> Vec<Value> {
    let files: Vec<_> = (0..many).map(|at| Recording::short(first + at * 1000)).collect();
    let mut jobs = Vec::new();
    for file in files {
        jobs.push(client.done(&[file]).await);
    }
    jobs
}

fn ids(items: &Value, id: &str) -> Vec<String> {
    items.as_array().unwrap().iter().map(|item| item[id].as_str().unwrap().to_owned()).collect()
}

async fn send(client: &Client, method: Method, path: &str) -> Answer {
    client.send(client.request(method, path)).await
}

#[tokio::test]
async fn cursor_of_another_user_shows_only_the_callers_data() {
    let target = Target::start().await;
    let (ann, ben) = (target.server.client_of("ann").await, target.server.client_of("ben").await);
    upload_speech(&ann, T0, 3).await;
    upload_speech(&ben, T0 + 500_000, 3).await;
    for (path, items, id) in [("/v2/sync/jobs", "jobs", "job_id"), ("/v2/conversations", "conversations", "id")] {
        let mine = ids(&ben.get(path).await.ok()[items], id);
        let hers = ids(&ann.get(path).await.ok()[items], id);
        let first = ann.get(&format!("{path}?limit=1")).await.ok();
        let cursor = first["next_cursor"].as_str().unwrap();
        let seen = ids(&ben.get(&format!("{path}?cursor={cursor}")).await.ok()[items], id);
        assert!(seen.iter().all(|id| mine.contains(id) && !hers.contains(id)), "{path}: {seen:?}");
    }
    target.assert_running().await;
}

/// Cursors are only base64 text: a caller with a made-up cursor sees their own data, or is refused.
#[tokio::test]
async fn made_up_cursors_with_extreme_positions_are_harmless() {
    let target = Target::start().await;
    let ben = target.server.client_of("ben").await;
    upload_speech(&ben, T0, 2).await;
    let id = ids(&ben.get("/v2/conversations").await.ok()["conversations"], "id").remove(0);
    let recording = "ab".repeat(16);
    for at in [i64::MIN.to_string(), i64::MAX.to_string(), "0".to_owned(), "-1".to_owned()] {
        for path in ["/v2/sync/jobs", "/v2/conversations"] {
            let kind = if path.ends_with("jobs") { "j" } else { "c" };
            ben.get(&format!("{path}?cursor={}", base64(&format!("{kind}~{at}~{UNKNOWN}")))).await.ok();
        }
        let lines =
            |start: &str| format!("/v2/conversations/{id}?cursor={}", base64(&format!("l~{at}~{recording}~{start}")));
        for start in ["0", "4294967295"] {
            ben.get(&lines(start)).await.ok();
        }
        for start in ["4294967296", "18446744073709551615", "-1", "1e3"] {
            ben.get(&lines(start)).await.problem(400, "invalid_cursor");
        }
    }
    for words in ["", "~", "~~~~~~~~", "j~x~y", "j~9223372036854775808~11111111-1111-4111-8111-111111111111", "j\0~0~0"]
    {
        ben.get(&format!("/v2/sync/jobs?cursor={}", base64(words))).await.problem(400, "invalid_cursor");
    }
    target.assert_running().await;
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn jobs_of_other_users_are_refused_on_every_route_and_unchanged() {
    let target = Target::start().await;
    let (ann, eve) = (target.server.client_of("ann").await, target.server.client_of("eve").await);
    let failed = ann.done(&[Recording::garbage(T0)]).await;
    let done = upload_speech(&ann, T0 + 1000, 1).await.remove(0);
    for job in [&failed, &done] {
        let id = job["job_id"].as_str().unwrap();
        for (method, path) in [
            (Method::GET, format!("/v2/sync/jobs/{id}")),
            (Method::GET, format!("/v2/sync/status?job_id={id}")),
            (Method::DELETE, format!("/v2/sync/jobs/{id}")),
            (Method::POST, format!("/v2/sync/jobs/{id}/retry")),
        ] {
            let refused = send(&eve, method.clone(), &path).await;
            refused.problem(403, "not_your_job");
            assert!(!refused.text.contains("audio_"), "{}", refused.text);
            send(&eve, method, &path.replace(id, UNKNOWN)).await.problem(404, "job_not_found");
        }
        assert_eq!(stable_fields(&ann.job(id).await), stable_fields(job), "no job has changed");
    }
    eve.assert_empty().await;
    target.assert_running().await;
}

/// The fields of a job that do not change any more; its effects may still run, and are recorded in it.
fn stable_fields(job: &Value) -> [&Value; 5] {
    ["status", "attempt", "completed_at", "files", "error"].map(|field| &job[field])
}

#[tokio::test]
async fn conversations_of_other_users_get_the_same_answer_as_unknown_ones() {
    let target = Target::start().await;
    let (ann, eve) = (target.server.client_of("ann").await, target.server.client_of("eve").await);
    upload_speech(&ann, T0, 2).await;
    let before = ann.conversations().await;
    let id = before[0]["id"].as_str().unwrap();
    let path = |id: &str| format!("/v2/conversations/{id}");
    for method in methods() {
        let other = send(&eve, method.clone(), &path(id)).await;
        let unknown = send(&eve, method, &path(UNKNOWN)).await;
        assert!((400..500).contains(&other.status), "{}", other.text);
        assert_eq!(other.status, unknown.status);
        assert_eq!(comparable(&other, id), comparable(&unknown, UNKNOWN), "the answers must be equal");
    }
    let by_ids = eve.get(&format!("/v2/conversations?ids={id},{UNKNOWN}")).await.ok();
    assert_eq!(by_ids["conversations"], Value::Array(Vec::new()));

    // An upload that names another user's conversation creates one of its own: an id means nothing without its user.
    let answer = eve.upload_to(&format!("?conversation_id={id}"), &[Recording::short(T0 + 9000)]).await;
    eve.terminal(answer.ok()["job_id"].as_str().unwrap()).await;
    assert_eq!(ann.conversations().await, before, "nothing has joined it");
    let hers = Value::Array(ann.segments().await).to_string();
    let own = eve.segments().await;
    assert_eq!(own.len(), 1);
    assert!(
        !hers.contains(own[0]["text"].as_str().unwrap()) && !hers.contains(own[0]["recording_id"].as_str().unwrap())
    );
    target.assert_running().await;
}

/// Body and headers without the values that differ with every request.
fn comparable(answer: &Answer, id: &str) -> (String, Vec<String>) {
    let request = answer.header("x-request-id");
    let names = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    (answer.text.replace(request, "").replace(id, ""), names)
}

#[tokio::test]
async fn device_of_another_user_cannot_be_reached() {
    let target = Target::start().await;
    let (ann, eve) = (target.server.client_of("ann").await, target.server.client_of("eve").await);
    ann.put_device("phone", "token-of-ann").await;
    assert_eq!(
        send(&eve, Method::DELETE, "/v2/devices/phone").await.status,
        204,
        "the id names her own device, which does not exist"
    );
    let job = upload_speech(&ann, T0, 1).await.remove(0);
    let folder = target.server.folder();
    let pushed = tests::eventually("a push", tests::wait::PATIENCE, async || {
        let pushes = folder.pushes();
        (!pushes.is_empty()).then_some(pushes)
    });
    let pushed = Value::Array(pushed.await).to_string();
    assert!(pushed.contains(job["job_id"].as_str().unwrap()), "{pushed}");
    target.assert_running().await;
}
