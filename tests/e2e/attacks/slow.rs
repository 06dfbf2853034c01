//! Clients that send slowly, close the connection halfway, or close only one direction.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use tests::recordings::T0;
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Setup, Wire, contract, eventually, recordings};

use super::{Target, good_form};
use crate::upload_answers::assert_nothing_stored;

/// How long the slow clients go on.
const WHILE: Duration = Duration::from_secs(3);
const SLOW_ONES: usize = 50;
/// The longest time for an answer to a normal client.
const PROMPT: Duration = Duration::from_secs(2);

/// Sends one byte now and then until the test ends, but never the last byte.
async fn trickle(wire: &mut Wire, bytes: &[u8]) {
    let watch = Stopwatch::start();
    for byte in bytes {
        if watch.elapsed() > WHILE || !wire.write(&[*byte]).await {
            return;
        }
        wire.is_silent_for(Duration::from_millis(250)).await;
    }
    panic!("it was all sent");
}

#[tokio::test]
async fn slow_clients_cost_no_memory_and_delay_nobody() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    let half = body.len() / 2;
    let head = target.head(&format!("content-length: {}\r\n", body.len()));
    let slow = join_all((0..SLOW_ONES).map(async |at| {
        // Some clients are slow in the head, others in the body.
        let (at_once, slowly) = if at % 2 == 0 { (head.len() - 40, &[][..]) } else { (head.len(), &body[..half]) };
        let mut wire = target.dial([&head.as_bytes()[..at_once], slowly].concat()).await;
        let rest = [&head.as_bytes()[at_once..], &body[slowly.len()..]].concat();
        trickle(&mut wire, &rest).await;
    }));
    let others = async {
        let watch = Stopwatch::start();
        while watch.elapsed() < WHILE {
            let asked = Stopwatch::start();
            target.server.client().get("/v2/usage").await.ok();
            assert!(asked.elapsed() < PROMPT, "an answer took {:?}", asked.elapsed());
        }
    };
    tokio::join!(slow, others);
    target.assert_unchanged().await;
}

/// The number of connections is limited, and a connection that is only idle is closed for a new one.
#[tokio::test]
async fn idle_connections_do_not_block_new_ones() {
    let target = Target::with(Setup::new().with("server.max_connections", 20)).await;
    let idle = join_all((0..40).map(|_| target.dial("GET /healthz HTTP/1.1\r\nhost: x\r\nx-never:"))).await;
    let health = target.server.client_without_token().get("/healthz").await;
    assert_eq!(health.status, 200, "{}", health.text);
    drop(idle);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn upload_half_closed_within_its_body_leaves_nothing() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    let upload = target.upload(&body);
    for keep in [upload.len() - body.len(), upload.len() - 1000, upload.len() - 1] {
        let mut wire = target.dial(&upload[..keep]).await;
        wire.half_close().await;
        let reply = wire.read_to_end().await;
        assert!(matches!(reply.status(), 0 | 400), "{}", reply.text);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn client_that_half_closes_after_its_request_gets_an_answer_or_a_close() {
    let target = Target::start().await;
    let mut wire = target.dial("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    wire.half_close().await;
    let reply = wire.read_to_end().await;
    assert!(matches!(reply.status(), 0 | 200), "{}", reply.text);
    // A client that sends nothing is disconnected.
    let mut silent = target.dial("").await;
    silent.half_close().await;
    assert_eq!(silent.read_to_end().await.text, "");
    target.assert_unchanged().await;
}

/// Clients vanish at every stage of an upload up to its last byte, by a normal close and by a reset.
#[tokio::test]
async fn clients_that_vanish_at_any_stage_leave_nothing() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    let upload = target.upload(&body);
    let begin = upload.len() - body.len();
    let close = upload.len() - b"\r\n--b--\r\n".len();
    let stages = [
        ("nothing", 0),
        ("half a method", 2),
        ("half a head", begin / 2),
        ("all but the last line of the head", begin - 2),
        ("the head", begin),
        ("half a boundary", begin + 2),
        ("half the head of a part", begin + 40),
        ("the first byte of a file", close - Recording::short(T0).bytes.len() + 1),
        ("half a file", close - 1000),
        ("a file", close),
        ("half the closing boundary", close + 4),
        ("all but the last dash", close + 6),
    ];
    for (what, bytes) in stages {
        target.dial(&upload[..bytes]).await.reset();
        let mut wire = target.dial(&upload[..bytes]).await;
        wire.half_close().await;
        drop(wire);
        assert!(target.server.client_without_token().get("/healthz").await.status == 200, "after {what}");
    }
    target.assert_unchanged().await;
}

/// A complete request whose sender does not wait for the answer: there is one complete job, or nothing.
#[tokio::test]
async fn client_that_vanishes_after_its_last_byte_leaves_a_complete_job_or_nothing() {
    let target = Target::start().await;
    for at in 0..10 {
        let wire = target.dial(target.upload(&good_form(&Recording::short(T0 + at * 1000)))).await;
        if at % 2 == 0 { wire.reset() } else { drop(wire) }
    }
    let client = target.server.client();
    eventually("every job is complete", PATIENCE, async || {
        let jobs = client.jobs().await;
        jobs.iter().all(|job| job["status"] == "completed" && job["total_files"] == 1).then_some(())
    })
    .await;
    target.server.folder().until_no_blobs(PATIENCE).await;
    target.assert_running().await;
}

#[tokio::test]
async fn client_that_never_reads_its_answers_delays_nobody() {
    let target = Target::start().await;
    let mut deaf = target.dial("").await;
    let asked = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    deaf.write(asked.as_bytes()).await;
    assert_nothing_stored(&target.server).await;
    drop(deaf);
    target.assert_unchanged().await;
}

/// The shutdown does not wait for the slow client, which is told the reason.
#[tokio::test]
async fn slow_upload_is_refused_at_shutdown_and_leaves_nothing() {
    let target = Target::start().await;
    let setup = target.server.setup().clone();
    let body = good_form(&Recording::large(T0, &recordings::large(4 << 20)));
    let upload = target.upload(&body);
    let mut wire = target.dial(&upload[..upload.len() - 1000]).await;
    let folder = target.server.folder();
    let begun = async || (!folder.blobs().is_empty()).then_some(());
    eventually("the upload has begun", PATIENCE, begun).await;
    let ((ended, took), reply) = tokio::join!(target.server.sigterm(), wire.read_answer());
    assert_eq!(reply.problem(503, "shutting_down")["retry_after"], 10);
    contract::assert_documented(&Method::POST, "/v2/sync/upload", 503, "shutting_down", "");
    assert_eq!((reply.header("retry-after"), ended.code()), (Some("10"), Some(0)));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_nothing_stored(&setup.start().await).await;
}
