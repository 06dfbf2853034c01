//! Reading jobs, conversations and usage. Requests for another user's data, unknown ids or wrong parameters are refused
//! as `docs/openapi.json` says.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Setup, eventually};

const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn a_job_is_read_by_its_owner_only() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = client.done(&[Recording::short(T0)]).await;
    let job_id = job["job_id"].as_str().unwrap();
    // Effects after its end change the job too.
    eventually("both routes return the same body", PATIENCE, async || {
        let by_path = client.job(job_id).await;
        (client.get(&format!("/v2/sync/status?job_id={job_id}")).await.ok() == by_path).then_some(())
    })
    .await;

    let eve = server.client_of("eve").await;
    let by_path = |id: &str| format!("/v2/sync/jobs/{id}");
    let by_query = |id: &str| format!("/v2/sync/status?job_id={id}");
    for path in [by_path(job_id), by_query(job_id)] {
        eve.get(&path).await.problem(403, "not_your_job");
        server.client_without_token().get(&path).await.problem(401, "unauthenticated");
    }
    for id in [UNKNOWN, "mine", &job_id.replace('-', "")] {
        client.get(&by_path(id)).await.problem(404, "job_not_found");
        client.get(&by_query(id)).await.problem(404, "job_not_found");
    }
    client.get("/v2/sync/status").await.problem(400, "invalid_parameter");
    eve.assert_empty().await;
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_page_by_page() {
    let server = Setup::new().start().await;
    let client = server.client();
    let mut ids = Vec::new();
    for at in 0..5 {
        ids.push(client.accepted(&[Recording::short(T0 + at * 1000)]).await);
    }
    let failed = client.done(&[Recording::garbage(T0)]).await;
    join_all(ids.iter().map(|id| client.terminal(id))).await;
    ids.push(failed["job_id"].as_str().unwrap().to_owned());
    ids.reverse();

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = client.get(&format!("/v2/sync/jobs?limit=2{cursor}")).await.ok();
        let jobs = page["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 2);
        seen.extend(jobs.iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
        cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap_or(""));
    }
    assert_eq!((seen, cursor.as_str()), (ids, "&cursor="), "newest first, and the last page says that it is");

    let counted =
        async |query: &str| client.get(&format!("/v2/sync/jobs{query}")).await.ok()["jobs"].as_array().unwrap().len();
    assert_eq!(counted("?status=failed").await, 1);
    assert_eq!(counted("?status=failed&status=completed").await, 6);
    assert_eq!(counted("?status=cancelled").await, 0);
}

#[tokio::test]
async fn listings_with_invalid_parameters_are_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    for limit in ["0", "101", "-1", "all", ""] {
        for path in ["/v2/sync/jobs", "/v2/conversations"] {
            client.get(&format!("{path}?limit={limit}")).await.problem(400, "invalid_parameter");
        }
    }
    for cursor in ["x", "bm90aGluZw", "%00", "%F0%9F%98%80"] {
        for path in ["/v2/sync/jobs", "/v2/conversations"] {
            client.get(&format!("{path}?cursor={cursor}")).await.problem(400, "invalid_cursor");
        }
    }
    client.get("/v2/sync/jobs?status=sleeping").await.problem(400, "invalid_parameter");
    client.get("/v2/conversations?ids=mine").await.problem(400, "invalid_parameter");
    client.get("/v2/conversations?from=yesterday").await.problem(400, "invalid_parameter");
    for path in ["/v2/sync/jobs", "/v2/conversations", "/v2/usage", "/v2/sync/status"] {
        server.client_without_token().get(path).await.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn conversations_are_read_by_their_owner_only() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.done(&[Recording::short(T0), Recording::short(T0 + 1000)]).await;
    let conversations = client.conversations().await;
    assert_eq!(conversations.len(), 2, "sixteen minutes lie between them");
    let id = |at: usize| conversations[at]["id"].as_str().unwrap();
    let started = |at: usize| conversations[at]["started_at"].as_str().unwrap();
    assert!(started(0) < started(1));

    let eve = server.client_of("eve").await;
    eve.get(&format!("/v2/conversations/{}", id(0))).await.problem(404, "conversation_not_found");
    for unknown in [UNKNOWN, "mine"] {
        client.get(&format!("/v2/conversations/{unknown}")).await.problem(404, "conversation_not_found");
    }
    let by_ids = format!("/v2/conversations?ids={},{UNKNOWN},{}", id(1), id(0));
    assert_eq!(eve.get(&by_ids).await.ok()["conversations"], json!([]));
    let found = client.get(&by_ids).await.ok();
    let ids: Vec<_> = found["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [id(1), id(0)], "in the order asked for");
    let later = client.get(&format!("/v2/conversations?from={}", started(1))).await.ok();
    assert_eq!(later["conversations"].as_array().unwrap().len(), 1);
    let earlier = client.get(&format!("/v2/conversations?to={}", started(1))).await.ok();
    assert_eq!(earlier["conversations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn usage_counts_speech_by_the_hour() {
    let server = Setup::new().start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0), Recording::silence(T0 + 60)]).await;
    let usage = client.get("/v2/usage").await.ok();
    let buckets = usage["buckets"].as_array().unwrap();
    // An hour may end in the middle of the run.
    assert!((1..=2).contains(&buckets.len()), "{usage}");
    let (segments, words, ms) = client.usage().await;
    assert_eq!(segments, job["total_segments"].as_u64().unwrap());
    assert_eq!(ms, job["files"][0]["speech_ms"].as_u64().unwrap());
    assert!(words > 0 && buckets.iter().all(|bucket| bucket["hour"].as_str().unwrap().ends_with(":00:00.000Z")));
    assert_eq!(
        client.get("/v2/usage?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z").await.ok()["buckets"],
        json!([])
    );
}

#[tokio::test]
async fn invalid_device_descriptions_are_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    let put = async |id: &str, body: Value| {
        client.send(client.request(Method::PUT, &format!("/v2/devices/{id}")).json(&body)).await
    };
    put("phone", json!({"push_token": "", "platform": "ios"})).await.problem(400, "invalid_parameter");
    put("phone", json!({"push_token": "a\nb", "platform": "ios"})).await.problem(400, "invalid_parameter");
    put("phone", json!({"push_token": "x".repeat(5000), "platform": "ios"})).await.problem(400, "invalid_parameter");
    put("phone", json!({"push_token": "x", "platform": "fridge"})).await.problem(400, "invalid_json");
    put("phone", json!({"platform": "ios"})).await.problem(400, "invalid_json");
    put(&"x".repeat(129), json!({"push_token": "x", "platform": "ios"})).await.problem(400, "invalid_parameter");
    let request = client.request(Method::PUT, "/v2/devices/phone").body("push_token=x");
    client.send(request).await.problem(415, "unsupported_media_type");
    let deleted = client.send(client.request(Method::DELETE, "/v2/devices/never-seen")).await;
    assert_eq!(deleted.status, 204, "deleting is harmless");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems_too() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.get("/v3/everything").await.problem(404, "not_found");
    client.get("/v2/sync/upload").await.problem(405, "method_not_allowed");
    client.send(client.request(Method::POST, "/v2/sync/jobs")).await.problem(405, "method_not_allowed");
    client.get(&format!("/v2/sync/jobs?cursor={}", "x".repeat(10_000))).await.problem(414, "uri_too_long");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_adopts_a_valid_one() {
    let server = Setup::new().start().await;
    let client = server.client();
    let ids: BTreeSet<String> = join_all((0..5).map(|_| client.get("/v2/usage")))
        .await
        .iter()
        .map(|a| a.header("x-request-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 5);
    let given = async |id: &str| {
        let answer = client.send(client.request(Method::GET, "/healthz").header("x-request-id", id)).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(given("mine-1").await, "mine-1");
    assert_ne!(given("two words").await, "two words");
}

/// A job, its task and its worker carry the trace of the request that created it.
#[tokio::test]
async fn trace_is_carried_from_the_upload_to_the_worker() {
    let server = Setup::new().start().await;
    let client = server.client();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let form = reqwest::multipart::Form::new();
    let recording = Recording::short(T0);
    let part = reqwest::multipart::Part::bytes(recording.bytes.to_vec()).file_name(recording.name);
    let request = client.request(Method::POST, "/v2/sync/upload").multipart(form.part("files", part));
    let answer = client.send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await.ok();
    let job_id = answer["job_id"].as_str().unwrap();
    client.terminal(job_id).await;
    let line = server.log.wait_step("claim", job_id).await;
    assert!(line.text.contains(trace), "{}", line.text);
}

/// The routes for monitoring need no token and name no user.
#[tokio::test]
async fn metrics_and_health_need_no_token_and_name_no_user() {
    let server = Setup::new().start().await;
    let client = server.client_of("ann-of-green-gables").await;
    let job = client.done(&[Recording::short(T0)]).await;
    let open = server.client_without_token();
    let metrics = open.get("/metrics").await;
    assert!(metrics.status == 200 && metrics.text.contains("http_requests_total"), "{}", metrics.text);
    for answer in [metrics, open.get("/healthz").await, open.get("/readyz").await] {
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("green-gables") && !answer.text.contains(job["job_id"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn list_of_errors_needs_no_token_and_links_to_each_error() {
    let server = Setup::new().start().await;
    let open = server.client_without_token();
    let list = open.get("/errors").await;
    assert!(list.status == 200 && list.header("content-type").starts_with("text/markdown"), "{list:?}");
    for code in ["job_not_found", "upload_incomplete", "backend_busy"] {
        assert!(list.text.contains(code), "{}", list.text);
        assert_eq!(open.get(&format!("/errors/{code}")).await.status, 200, "{code}");
    }
}

/// The answer is the same as for an unknown id.
#[tokio::test]
async fn id_that_is_not_utf8_is_unknown() {
    let server = Setup::new().start().await;
    let client = server.client();
    for (method, path, code) in [
        (Method::GET, "/v2/sync/jobs/%ff", "job_not_found"),
        (Method::GET, "/v2/sync-local-files/%ff", "job_not_found"),
        (Method::GET, "/v2/sync/status?job_id=%ff", "job_not_found"),
        (Method::DELETE, "/v2/sync/jobs/%c3%28", "job_not_found"),
        (Method::POST, "/v2/sync/jobs/%ff/retry", "job_not_found"),
        (Method::POST, "/v2/sync/uploads/%ff/complete", "job_not_found"),
        (Method::GET, "/v2/conversations/%ff", "conversation_not_found"),
        (Method::DELETE, "/v2/conversations/%ff", "conversation_not_found"),
    ] {
        client.send(client.request(method, path)).await.problem(404, code);
    }
    let device = client.request(Method::DELETE, "/v2/devices/%ff");
    client.send(device).await.problem(400, "invalid_parameter");
    let twice = format!("/v2/conversations/{}?cursor=a&cursor=b", "11111111-1111-4111-8111-111111111111");
    client.get(&twice).await.problem(400, "invalid_parameter");
}
