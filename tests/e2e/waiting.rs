//! Why a job waits: what clients, the operator, the metrics and the log are told about an engine that does not answer.

use std::net::TcpListener;

use serde_json::{Value, json};
use testkit::Provider;
use testkit::provider::{ReceivedRequest, Reply};
use tests::log::Line;
use tests::recordings::T0;
use tests::wait::{PATIENCE, eventually_or};
use tests::{Recording, Server, Setup};

fn setup(url: &str) -> Setup {
    let setup = Setup::new().with("engine.name", "http").with("engine.http.url", url);
    setup.with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1)
}

fn rejected(_: &ReceivedRequest) -> Reply {
    Reply::json(401, &json!({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}))
}

fn is_error(line: &Line) -> bool {
    line.field("level") == "ERROR"
}

async fn readiness(server: &Server, status: &str) -> Value {
    eventually_or(&format!("the server is {status}"), PATIENCE, async || {
        let body = server.client_without_token().get("/readyz").await.ok();
        if body["status"] == status { Ok(body) } else { Err(body) }
    })
    .await
}

#[tokio::test]
async fn rejected_key_is_told_to_clients_without_the_address_and_to_the_operator_with_the_cause() {
    let provider = Provider::start(rejected).await;
    let setup = setup(&provider.url).with("engine.http.api_key", "key-of-nobody");
    let server = setup.start().await;
    let client = server.client();
    let mut events = client.events("").await;
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    let job = client.until(&job_id, "waits for the engine", |job| job["waiting_for"] == "engine").await;
    let waiting = &job["waiting"];
    assert_eq!((&waiting["for"], &waiting["code"]), (&json!("engine"), &json!("engine_unavailable")), "{job}");
    assert_eq!(waiting["detail"], "the speech engine answered 401 (invalid key)");
    assert!(waiting["since"].is_string() && waiting["next_try"].is_string(), "{job}");
    let listed = eventually_or("the list says why", PATIENCE, async || {
        let job = client.jobs().await.remove(0);
        if job["waiting"].is_object() { Ok(job) } else { Err(job) }
    })
    .await;
    let mut event = events.job().await;
    while event.data["waiting"].is_null() {
        event = events.job().await;
    }
    for public in [&job, &listed, &event.data] {
        assert_eq!(public["waiting"]["code"], "engine_unavailable", "{public}");
        let text = public.to_string();
        assert!(!text.contains("127.0.0.1") && !text.contains("Incorrect") && !text.contains("key-of"), "{text}");
    }

    let shown = setup.on_folder(&["admin", "show", &job_id]).await.ok();
    let first: Vec<_> = shown.lines().take(2).collect();
    assert!(first[1].contains("\"waiting\": "), "it is at the top: {shown}");
    assert!(
        first[1].contains(&format!("{} answered 401", provider.url.trim_start_matches("http://")))
            && first[1].contains("(invalid key)"),
        "{shown}"
    );
    assert!(!shown.contains("key-of-nobody"), "{shown}");
    let table = setup.on_folder(&["admin", "jobs"]).await.ok();
    assert!(["waits for", "since", "next try"].iter().all(|column| table.contains(column)), "{table}");

    let body = readiness(&server, "degraded").await;
    let engine = body["checks"].as_array().unwrap().iter().find(|check| check["name"] == "engine").unwrap();
    assert_eq!((&engine["ready"], &engine["degraded"]), (&json!(true), &json!(true)), "{body}");
    let metrics = server.client_without_token().get("/metrics").await.text;
    assert!(metrics.contains("afterword_jobs_waiting{for=\"storage\"} 0"), "{metrics}");
    assert!(server.log.count(is_error) <= 2, "one a minute for all calls: {}", server.log.tail());

    provider.set_answers(|_| Reply::json(200, &json!({"text": "He was not ill."})));
    let job = client.terminal(&job_id).await;
    assert_eq!((&job["status"], &job["waiting"]), (&json!("completed"), &Value::Null), "{job}");
    readiness(&server, "ready").await;
    let shown: Value = serde_json::from_str(&setup.on_folder(&["admin", "show", &job_id]).await.ok()).unwrap();
    assert_eq!((shown.get("waiting"), shown.get("wait_reason")), (None, None), "{shown}");
}

#[tokio::test]
async fn engine_that_refuses_connections_is_logged_as_failed_and_not_as_silent() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let server = setup(&url).start().await;
    let client = server.client();
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    let job = client.until(&job_id, "waits for the engine", |job| job["waiting_for"] == "engine").await;
    let detail = "the speech engine cannot be reached, or gives no valid answer";
    assert_eq!(job["waiting"]["detail"], detail, "{job}");
    let line = server.log.wait("the error", PATIENCE, is_error).await;
    assert!(
        line.field("message").contains("failed too") && line.field("error").contains("was not answered"),
        "{line:?}"
    );
    let address = url.trim_start_matches("http://");
    assert!(line.field("error").contains(address), "the error names host and port: {line:?}");
    readiness(&server, "degraded").await;
    let degraded = server.log.wait("the warning", PATIENCE, |line| line.field("message") == "degraded").await;
    assert!(degraded.field("cause").contains(address) && degraded.field("cause").contains("refused"), "{degraded:?}");
    assert_eq!(server.log.count(|line| line.text.contains("returns no text")), 0);
    let metrics = server.client_without_token().get("/metrics").await.text;
    let age = metrics.lines().find_map(|line| line.strip_prefix("afterword_oldest_unfinished_job_age_seconds "));
    assert!(age.unwrap().parse::<f64>().unwrap() > 0.0, "{metrics}");
}

#[tokio::test]
async fn engine_that_returns_no_text_is_logged_as_silent() {
    let server = Setup::new().with("engine.null_fail", "empty").start().await;
    let client = server.client();
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    let job = client.until(&job_id, "waits for the engine", |job| job["waiting_for"] == "engine").await;
    assert!(job["waiting"]["detail"].as_str().unwrap().contains("returns no text"), "{job}");
    let line = server.log.wait("the error", PATIENCE, is_error).await;
    assert!(line.field("message").contains("returns no text even for the built-in sample"), "{line:?}");
}
