//! Server-sent events: changes of jobs, across disconnects and restarts, for their owner only.

use std::time::Duration;

use serde_json::Value;
use tests::events::{Event, Events};
use tests::recordings::T0;
use tests::{Client, Recording, Setup};

const PATH: &str = "/v2/sync/events";
const SLOW_MS: u64 = 600;
const FOR_EVER_MS: u64 = 600_000;

fn job_id(job: &Value) -> &str {
    job["job_id"].as_str().unwrap()
}

/// Creates a job and waits until its effects are done, so that it does not change any more.
async fn done_with_effects(server: &tests::Server, client: &Client, at: i64) -> Value {
    let job = client.done(&[Recording::short(at)]).await;
    let id = job_id(&job);
    server.log.wait_step("clean_up", id).await;
    client.job(id).await
}

#[tokio::test]
async fn events_report_a_job_live_from_queued_to_its_end() {
    let setup = Setup::new().with("engine.null_delay_ms", SLOW_MS).with("limits.enqueued_per_user", 1);
    let server = setup.start().await;
    let client = server.client();
    let mut events = client.events("").await;
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(events.headers()[name], value);
    }
    assert_eq!(
        events.next().await.unwrap(),
        Event { retry: "3000".into(), ..Event::default() },
        "and nothing else yet"
    );
    client.accepted(&[Recording::short(T0)]).await;
    // It gets the slot when the first job has ended.
    let second = client.accepted(&[Recording::short(T0 + 1000)]).await;
    let seen = events.until(&second, "completed").await;
    let mut statuses: Vec<_> = seen.iter().filter(|e| e.job_id() == second).map(Event::status).collect();
    statuses.dedup();
    assert_eq!(statuses, ["queued", "processing", "completed"]);
    // The last event equals the answer of the job's own route.
    let mut last = seen.last().unwrap().clone();
    while last.job_id() != second || last.data != client.job(&second).await {
        last = events.job().await;
    }
}

#[tokio::test]
async fn new_stream_begins_with_every_unfinished_job() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let client = server.client();
    let mut ids = Vec::new();
    for at in 0..6 {
        ids.push(client.accepted(&[Recording::short(T0 + at * 1000)]).await);
    }
    server.log.wait_step("plan", &ids[0]).await;
    let mut events = client.events("").await;
    let mut reported = Vec::new();
    while reported.len() < ids.len() {
        let event = events.job().await;
        if !reported.contains(&event.job_id().to_owned()) {
            reported.push(event.job_id().to_owned());
        }
    }
    reported.sort();
    ids.sort();
    assert_eq!(reported, ids);
}

#[tokio::test]
async fn reconnected_client_misses_nothing_even_after_a_kill_of_the_server() {
    let setup = Setup::new();
    let server = setup.start().await;
    let client = server.client();
    let mut events = client.events("").await;
    let first = client.accepted(&[Recording::short(T0)]).await;
    let last = events.until(&first, "completed").await.pop().unwrap().id;
    drop(events);
    let meanwhile = client.done(&[Recording::short(T0 + 1000)]).await;
    server.kill9().await;

    let server = setup.start().await;
    let client = server.client();
    let later = client.done(&[Recording::short(T0 + 2000)]).await;
    let mut events = client.events(&last).await;
    let seen = events.until(job_id(&later), "completed").await;
    let reported = seen.iter().any(|event| event.job_id() == job_id(&meanwhile) && event.status() == "completed");
    assert!(reported, "{seen:?}");
}

#[tokio::test]
async fn stream_shows_no_jobs_of_others_and_uses_their_event_ids_only_as_a_time() {
    let server = Setup::new().start().await;
    let (client, eve) = (server.client(), server.client_of("eve").await);
    let mut eves = eve.events("").await;
    let theirs = done_with_effects(&server, &client, T0).await;
    let mine = done_with_effects(&server, &eve, T0 + 1000).await;
    assert!(eves.until(job_id(&mine), "completed").await.iter().all(|event| event.job_id() == job_id(&mine)));
    let mut again = eve.events(theirs["updated_at"].as_str().unwrap()).await;
    assert_eq!(again.job().await.data, mine);
}

#[tokio::test]
async fn invalid_stream_request_is_refused() {
    let server = Setup::new().start().await;
    let client = server.client();
    for id in ["", "yesterday", "7", "2026-13-01T00:00:00Z", "2026-11-20T10:00:00"] {
        let request = client.request(reqwest::Method::GET, PATH).header("last-event-id", id);
        client.send(request).await.problem(400, "invalid_parameter");
    }
    server.client_without_token().get(PATH).await.problem(401, "unauthenticated");
    // The client's preference in `Accept` does not matter: there is only one format.
    let request = client.request(reqwest::Method::GET, PATH).header("accept", "application/json");
    let mut events = Events::of(request.send().await.unwrap());
    assert_eq!(events.next().await.unwrap().retry, "3000");
}

#[tokio::test]
async fn oldest_stream_of_a_user_ends_above_the_limit() {
    let server = Setup::new().with("limits.event_streams_per_user", 2).start().await;
    let (client, eve) = (server.client(), server.client_of("eve").await);
    let mut eves = eve.events("").await;
    let (mut first, mut second) = (client.events("").await, client.events("").await);
    let mut third = client.events("").await;
    assert_eq!(first.rest().await.len(), 1, "only the start of the stream");
    let job_id = client.accepted(&[Recording::short(T0)]).await;
    second.until(&job_id, "completed").await;
    third.until(&job_id, "completed").await;
    let hers = eve.accepted(&[Recording::short(T0)]).await;
    eves.until(&hers, "completed").await;
}

#[tokio::test]
async fn stream_without_a_free_permit_sends_known_jobs_and_ends() {
    let setup = Setup::new().with("limits.event_streams", 0).with("engine.null_delay_ms", FOR_EVER_MS);
    let server = setup.start().await;
    let client = server.client();
    let job_id = client.accepted(&[Recording::short(T0)]).await;
    let rest = client.events("").await.rest().await;
    assert_eq!(rest[0].retry, "3000");
    assert!(client.get(PATH).await.text.starts_with("retry: 3000\n\nevent: job\n"));
    assert!(rest.len() > 1 && rest[1..].iter().all(|event| event.job_id() == job_id), "{rest:?}");
}

#[tokio::test]
async fn stream_ends_at_its_time_limit() {
    let server = Setup::new().with("limits.event_stream_seconds", 1).start().await;
    assert_eq!(server.client().events("").await.rest().await.len(), 1);
}

#[tokio::test]
async fn stopping_server_ends_its_streams_at_once() {
    let server = Setup::new().start().await;
    let client = server.client();
    let mut events = client.events("").await;
    events.next().await.unwrap();
    let ((ended, took), rest) = tokio::join!(server.sigterm(), events.rest());
    assert_eq!((ended.code(), rest), (Some(0), Vec::new()));
    assert!(took < Duration::from_secs(4), "{took:?}");
}
