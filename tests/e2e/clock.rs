//! A server whose clock is earlier than its newest stored change: it takes no upload and works on nothing, says so, and goes
//! on by itself when the clock is late enough.

use std::time::Duration;

use reqwest::Method;
use rusqlite::Connection;
use tests::recordings::T0;
use tests::wait::{PATIENCE, now_secs};
use tests::{Recording, Setup, eventually};

use crate::sessions::{complete, open, put, url};
use crate::task_answers::Tasks;

/// How far the newest change lies ahead. The server waits until it is a minute: long enough to look at it meanwhile.
const AHEAD_SECS: i64 = 85;
const HOUR_SECS: i64 = 3600;

/// Changes the time of the last change of every job, as a clock that was ahead would have written it.
fn set_changes_ahead(setup: &Setup, seconds: i64) {
    let db = Connection::open(setup.folder().store_file()).unwrap();
    let changed = (now_secs() + seconds) * 1000;
    assert!(db.execute("UPDATE offline_sync_jobs SET updated_at = ?1", [changed]).unwrap() > 0);
}

#[tokio::test]
async fn server_with_a_clock_before_the_newest_change_waits_and_goes_on_by_itself() {
    let setup = Setup::new().with("sweep.interval_seconds", 1);
    let server = setup.clone().with("engine.null_delay_ms", 600_000).start().await;
    let large = Recording::short(T0 + 1000);
    let session = open(&server.client(), &[&large]).await;
    let job_id = server.client().accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("plan", &job_id).await;
    server.kill9().await;
    set_changes_ahead(&setup, AHEAD_SECS);

    let server = setup.start().await;
    let client = server.client();
    let upload = [Recording::short(T0 + 2000)];
    let ready = server.client_without_token().get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert_eq!(ready.body["detail"], "Not ready: clock.", "{}", ready.text);
    for route in ["/v2/sync/upload", "/v2/sync-local-files", "/v1/sync-local-files"] {
        assert_eq!(client.post(route, &upload).await.problem(503, "clock_not_set")["retry_after"], 30, "{route}");
    }
    put(&server, &url(&session, 0), "", large.bytes.clone()).await.problem(503, "clock_not_set");
    complete(&client, &session).await.problem(503, "clock_not_set");
    let tasks = Tasks::of(&server);
    tasks.deliver(&job_id, "local").await.problem(503, "clock_not_set");
    tasks.sweep("").await.problem(503, "clock_not_set");
    let job = client.job(&job_id).await;
    assert_eq!(
        (&job["status"], &job["attempt"]),
        (&"processing".into(), &1.into()),
        "reads go on, and work does not: {job}"
    );
    assert_eq!(server.log.count(|line| line.field("level") == "ERROR"), 1, "one line");
    assert_eq!(server.log.count(|line| line.text.contains("server.trust_clock")), 1, "it says what to do");

    let limit = Duration::from_secs(AHEAD_SECS.unsigned_abs()) + PATIENCE;
    eventually("the server is ready by itself", limit, async || {
        (server.client_without_token().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let job = client.terminal(&job_id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&"completed".into(), &2.into()), "{job}");
    assert_eq!(client.done(&upload).await["status"], "completed");
    assert_eq!(put(&server, &url(&session, 0), "", large.bytes.clone()).await.status, 200);
    assert_eq!(complete(&client, &session).await.status, 202);
    assert_eq!(server.log.count(|line| line.field("level") == "ERROR"), 1, "one line");
    assert_eq!(server.log.count(|line| line.text.contains("the clock is set")), 1, "one line");
}

#[tokio::test]
async fn trusted_clock_counts_as_set_whatever_is_stored() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    server.kill9().await;
    set_changes_ahead(&setup, HOUR_SECS);
    let server = setup.start().await;
    server.client().upload(&[Recording::short(T0 + 1000)]).await.problem(503, "clock_not_set");
    let device = server.client().request(Method::DELETE, "/v2/devices/phone");
    server.client().send(device).await.problem(503, "clock_not_set");
    server.kill9().await;
    let server = setup.with("server.trust_clock", true).start().await;
    assert_eq!(server.client_without_token().get("/readyz").await.status, 200);
    assert_eq!(server.client().done(&[Recording::short(T0 + 1000)]).await["status"], "completed");
}

#[tokio::test]
async fn commands_that_change_jobs_are_refused_while_the_clock_is_not_set() {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000);
    let server = setup.start().await;
    let job_id = server.client().accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("plan", &job_id).await;
    server.kill9().await;
    set_changes_ahead(&setup, HOUR_SECS);
    let shown = async || setup.on_folder(&["admin", "show", &job_id]).await.ok().to_owned();
    let before = shown().await;
    for command in ["redrive", "cancel"] {
        let output = setup.on_folder(&["admin", command, &job_id]).await;
        assert!(output.refused().contains("the clock is not set"), "{output:?}");
        assert!(output.refused().contains("server.trust_clock"), "it says what to do: {output:?}");
        assert_eq!(shown().await, before, "{command}");
    }
    let trusting = setup.clone().with("server.trust_clock", true);
    assert!(trusting.on_folder(&["admin", "cancel", &job_id]).await.ok().contains("cancelled"));
}
