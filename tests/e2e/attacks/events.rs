//! Attacks on the event stream: made-up ids, very many streams, streams that nobody reads.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::events::Events;
use tests::recordings::{T0, name};
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Client, Recording, Setup, Wire, eventually};

use super::Target;
use crate::sessions::{OPEN, try_open};

const PATH: &str = "/v2/sync/events";
const STREAMS: usize = 300;
/// The limit of streams in the default configuration.
const MAX_STREAMS: usize = 256;
const PLACES_OF_A_USER: usize = 4;
/// A stream that sends nothing for this long is still open.
const SILENT: Duration = Duration::from_millis(500);
/// Far below the minute that an answer would take if it waited for one of the streams.
const PROMPT: Duration = Duration::from_secs(10);

fn request(target: &Target, fields: &str) -> String {
    let token = &target.server.token;
    format!("GET {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{fields}\r\n")
}

async fn answers_promptly(target: &Target) {
    let watch = Stopwatch::start();
    target.server.client_without_token().get("/healthz").await.ok();
    target.server.client().get("/v2/usage").await.ok();
    assert!(watch.elapsed() < PROMPT, "an answer took {:?}", watch.elapsed());
}

#[tokio::test]
async fn last_event_id_that_is_no_time_is_refused() {
    let target = Target::start().await;
    let client = target.server.client();
    for id in [
        "-1",
        "-2026-11-20T10:00:00.000Z",
        "-0001-01-01T00:00:00Z",
        "+10000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "9223372036854775807",
        "18446744073709551616",
        "2026-11-20T10:00:00.000Z\t2026-11-20T10:00:00.000Z",
        "2026-11-20T25:00:00Z",
        "2026-02-30T00:00:00Z",
        "' OR 1=1 --",
        "../../etc/passwd",
        "%0d%0ax: y",
        "2026-11-20T10:00:00.000Z, 2026-11-20T10:00:00.000Z",
    ] {
        let asked = client.request(Method::GET, PATH).header("last-event-id", id);
        client.send(asked).await.problem(400, "invalid_parameter");
    }
    let long = |bytes: usize| request(&target, &format!("last-event-id: {}\r\n", "7".repeat(bytes)));
    target.raw(long(10_000)).await.problem(400, "invalid_parameter");
    target.raw(long(40_000)).await.problem(431, "headers_too_large");
    target.raw(request(&target, "last-event-id: \u{e4}\u{0661}\r\n")).await.problem(400, "invalid_parameter");
    target.assert_unchanged().await;
}

/// An answer never contains what the client sent, so there is nothing that a line end could split.
#[tokio::test]
async fn line_end_in_a_last_event_id_splits_nothing() {
    let target = Target::start().await;
    let time = "2026-11-20T10:00:00.000Z";
    for id in
        [format!("{time}\r event: job"), format!("{time}\rdata: x"), format!("{time}\0"), format!("{time}\r\n data: x")]
    {
        let reply = target.send_and_read_to_end(request(&target, &format!("last-event-id: {id}\r\n"))).await;
        reply.assert_bare_status(400);
    }
    // The line end ends the field, and what follows is another field.
    let mut wire = target.dial(request(&target, &format!("last-event-id: {time}\r\nx-injected: y\r\n"))).await;
    let reply = wire.read_answer().await;
    assert_eq!((reply.status(), reply.header("x-injected")), (200, None), "{}", reply.text);
    drop(wire);
    target.assert_unchanged().await;
}

/// The first and the last possible day are accepted like any other time.
#[tokio::test]
async fn extreme_past_and_future_event_ids_are_accepted() {
    let target = Target::start().await;
    let client = target.server.client();
    let job = client.done(&[Recording::short(T0)]).await;
    for id in ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"] {
        assert_eq!(client.events(id).await.job().await.job_id(), job["job_id"].as_str().unwrap(), "since {id}");
    }
    for id in ["9999-12-31T23:59:59.999Z", "2999-01-01T00:00:00Z"] {
        let mut events = client.events(id).await;
        assert_eq!(events.next().await.unwrap().retry, "3000", "since {id}");
    }
    target.assert_running().await;
}

/// Opens streams, each with its answer; a stream that has to end at once gets nothing more.
async fn open(client: &Client, many: usize) -> Vec<Events> {
    join_all((0..many).map(|_| client.events(""))).await
}

/// The number of streams that have ended by now; the others are open and silent.
async fn count_ended(streams: &mut [Events]) -> usize {
    let ends = streams.iter_mut().map(async |events| tokio::time::timeout(SILENT, events.rest()).await.is_ok());
    join_all(ends).await.into_iter().map(usize::from).sum()
}

/// Waits until this many streams have ended, and checks that the others have not.
async fn until_ended(streams: &mut [Events], many: usize) {
    let more = async || (count_ended(streams).await >= many).then_some(());
    eventually("they have ended", PATIENCE, more).await;
    assert_eq!(count_ended(streams).await, many);
}

#[tokio::test]
async fn user_who_opens_three_hundred_streams_keeps_four() {
    let target = Target::start().await;
    let client = target.server.client();
    let mut streams = open(&client, STREAMS).await;
    until_ended(&mut streams, STREAMS - PLACES_OF_A_USER).await;
    answers_promptly(&target).await;
    drop(streams);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn streams_above_the_limit_get_known_jobs_and_end() {
    let target = Target::with(Setup::new().with("limits.event_streams_per_user", 1000)).await;
    let client = target.server.client();
    let mut streams = open(&client, STREAMS).await;
    until_ended(&mut streams, STREAMS - MAX_STREAMS).await;
    answers_promptly(&target).await;
    let eve = target.server.client_of("eve").await;
    assert_eq!(eve.events("").await.rest().await.len(), 1, "and there is no permit for anybody else");
    drop(streams);
    eventually("there are free permits again", PATIENCE, async || {
        let mut events = eve.events("").await;
        events.next().await;
        tokio::time::timeout(SILENT, events.next()).await.is_err().then_some(())
    })
    .await;
    target.assert_unchanged().await;
}

/// For each stream, more data is waiting than its socket holds.
#[tokio::test]
async fn unread_streams_cost_little_memory_and_delay_nobody() {
    let setup = Setup::new().with("limits.event_streams_per_user", 1000);
    let target = Target::with(setup).await;
    let client = target.server.client();
    for session in 0..30 {
        let file = |at: i64| json!({"name": name(T0 + session * 100 + at), "size": 1000, "sha256": "ab".repeat(32)});
        assert_eq!(try_open(&client, &(0..20).map(file).collect::<Vec<_>>()).await.status, 201, "{OPEN}");
    }
    let deaf = join_all((0..30).map(async |_| {
        let mut wire = Wire::dial_narrow(&target.server.url).await;
        wire.write(request(&target, "").as_bytes()).await;
        wire
    }))
    .await;
    answers_promptly(&target).await;
    let mut events = client.events("").await;
    let watch = Stopwatch::start();
    let job_id = client.accepted(&[Recording::short(T0 + 1_000_000)]).await;
    events.until(&job_id, "completed").await;
    assert!(watch.elapsed() < 3 * PROMPT, "a stream that is read got its event after {:?}", watch.elapsed());
    deaf.into_iter().for_each(Wire::reset);
    target.assert_running().await;
}
