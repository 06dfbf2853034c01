//! Cancelling and retrying jobs over HTTP.

use reqwest::Method;
use serde_json::{Value, json};
use tests::wait::PATIENCE;
use tests::{Client, Recording, Server, Setup, eventually};

const T0: i64 = 1_748_300_000;
const FOR_EVER_MS: u64 = 600_000;

fn path(job_id: &str) -> String {
    format!("/v2/sync/jobs/{job_id}")
}

#[tokio::test]
async fn cancelling_a_job_stops_its_worker_and_removes_its_audio() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let client = server.client();
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    server.log.wait_step("plan", &job_id).await;
    for _ in 0..2 {
        // A second cancel has nothing to do, and is not an error.
        let answer = client.send(client.request(Method::DELETE, &path(&job_id))).await;
        assert_eq!((answer.status, &answer.body["status"]), (202, &json!("cancelled")), "{}", answer.text);
    }
    server.folder().until_no_blobs(PATIENCE).await;
    assert_eq!(client.job(&job_id).await["status"], "cancelled");
    let retried = client.send(client.request(Method::POST, &format!("{}/retry", path(&job_id)))).await;
    retried.problem(409, "not_retryable");
    // The cancelled job does not block the same audio: a new job is created.
    assert_ne!(client.accepted(&[Recording::speech(T0)]).await, job_id);
}

#[tokio::test]
async fn finished_job_can_be_neither_cancelled_nor_retried() {
    let server = Setup::new().start().await;
    let client = server.client();
    let done = client.done(&[Recording::speech(T0)]).await;
    let job_id = done["job_id"].as_str().unwrap();
    client.send(client.request(Method::DELETE, &path(job_id))).await.problem(409, "job_finished");
    let retry = format!("{}/retry", path(job_id));
    client.send(client.request(Method::POST, &retry)).await.problem(409, "not_retryable");
}

#[tokio::test]
async fn retried_job_runs_again_for_unfinished_files() {
    let setup = Setup::new().with("engine.null_fail", "refuse");
    let server = setup.start().await;
    let failed = server.client().done(&[Recording::speech(T0), Recording::silence(T0 + 600)]).await;
    assert_eq!(failed["status"], "partial_failure", "{failed}");
    let job_id = failed["job_id"].as_str().unwrap().to_owned();
    server.kill9().await;
    let server = setup.with("engine.null_fail", "").start().await;
    let client = server.client();
    let answer = client.send(client.request(Method::POST, &format!("{}/retry", path(&job_id)))).await;
    assert_eq!((answer.status, &answer.body["error"]), (202, &Value::Null), "{}", answer.text);
    let job = client.until(&job_id, "has run again", |job| job["status"] == "completed").await;
    assert_eq!(job["result"]["new_conversation_ids"].as_array().unwrap().len(), 1, "{job}");
}

/// The number of the caller's jobs that are listed as `processing`, and as `queued`.
async fn listed(client: &Client) -> (usize, usize) {
    let jobs = client.jobs().await;
    let count = |status: &str| jobs.iter().filter(|job| job["status"] == status).count();
    (count("processing"), count("queued"))
}

#[tokio::test]
async fn two_of_four_retried_jobs_run_and_two_wait_also_after_a_kill() {
    // One user may have all permits but one.
    let setup = Setup::new().with("process.max_jobs", 3);
    let server = setup.clone().with("engine.null_fail", "refuse").start().await;
    let mut failed = Vec::new();
    for n in 0..4 {
        let job = server.client().done(&[Recording::short(T0 + 600 * n)]).await;
        assert_eq!(job["status"], "failed", "{job}");
        failed.push(job["job_id"].as_str().unwrap().to_owned());
    }
    server.kill9().await;
    let slow = setup.clone().with("engine.null_delay_ms", FOR_EVER_MS);
    let server = slow.start().await;
    for job_id in &failed {
        let client = server.client();
        assert_eq!(client.send(client.request(Method::POST, &format!("{}/retry", path(job_id)))).await.status, 202);
    }
    let settled = async |server: &Server| {
        let client = server.client();
        eventually("two jobs run and two are queued", PATIENCE, async || {
            (listed(&client).await == (2, 2)).then_some(())
        })
        .await;
    };
    settled(&server).await;
    server.kill9().await;
    let server = slow.start().await;
    settled(&server).await;
    server.kill9().await;
    let server = setup.start().await;
    for job_id in &failed {
        assert_eq!(server.client().terminal(job_id).await["status"], "completed");
    }
    assert_eq!(server.client().conversations().await.len(), 4);
}

#[tokio::test]
async fn job_of_another_user_cannot_be_reached() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let job_id = server.client().accepted(&[Recording::speech(T0)]).await;
    let ann = server.client_of("ann").await;
    ann.send(ann.request(Method::DELETE, &path(&job_id))).await.problem(403, "not_your_job");
    let retry = format!("{}/retry", path(&job_id));
    ann.send(ann.request(Method::POST, &retry)).await.problem(403, "not_your_job");
    ann.send(ann.request(Method::DELETE, &path("none"))).await.problem(404, "job_not_found");
    assert_ne!(server.client().job(&job_id).await["status"], "cancelled");
}
