//! Services that refuse, break, vanish or are slow: a request fails with the right code and stores nothing, a job is
//! put back and ends once, and the log says what happened, to what, and what a person has to do.

mod credentials;
mod deadline;
mod push;
mod queue;
mod storage;
mod store;

use std::time::Duration;

use serde_json::Value;
use tests::client::is_terminal;
use tests::cloud::Cloud;
use tests::function::Function;
use tests::log::Line;
use tests::recordings::T0;
use tests::wait::eventually_or;
use tests::{Answer, Client, Recording, eventually};

const WAIT: Duration = tests::wait::PATIENCE;
/// More often than any call is retried.
const ALWAYS: usize = 1000;
/// The longest time for a request or a delivery under [`with_short_timeouts`], on a busy machine; without these
/// timeouts it takes longer.
const QUICK: Duration = Duration::from_secs(15);

/// Starts both functions for one user, with no wait between a fault and the next attempt of a job.
async fn running(cloud: &Cloud) -> (Function, Function, Client) {
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    (upload, process, client)
}

fn with_short_backoff(cloud: Cloud) -> Cloud {
    cloud.with("jobs.backoff_min_seconds", "0").with("jobs.backoff_max_seconds", "0").with("engine.name", "null")
}

/// Limits every call of a service to five seconds: a busy machine answers within that.
fn with_short_timeouts(cloud: Cloud) -> Cloud {
    cloud.with("cloud.call_seconds", "5")
}

/// The Firestore emulator is slow in its first transactions: slower than [`with_short_timeouts`] allows.
async fn warm_up(cloud: &Cloud, upload: &Function) {
    let early = cloud.client(upload, "early");
    let accepted = async || (early.upload(&[Recording::short(T0)]).await.status == 202).then_some(());
    eventually("the first upload is accepted", WAIT, accepted).await;
}

async fn logged(function: &Function, what: &str, fits: impl Fn(&Line) -> bool) -> Line {
    eventually_or(what, WAIT, async || {
        function.log.lines().into_iter().find(|line| fits(line)).ok_or_else(|| function.log.tail())
    })
    .await
}

/// The line with this message about this job.
async fn logged_of_job(function: &Function, message: &str, job: &str) -> Line {
    logged(function, message, |line| line.field("message") == message && line.field("job_id") == job).await
}

/// The only log line of a failed request, found by the request id in the answer.
async fn request_error(function: &Function, answer: &Answer) -> Line {
    let id = answer.header("x-request-id").to_owned();
    let is_it = |line: &Line| line.field("message") == "request failed" && line.field("request_id") == id;
    let line = logged(function, "the failure is logged", is_it).await;
    assert_eq!(function.log.count(is_it), 1, "{}", function.log.tail());
    line
}

#[track_caller]
fn assert_line(line: &Line, level: &str, words: &[&str]) {
    assert_eq!(line.field("level"), level, "{}", line.text);
    let reason = format!("{}{}", line.field("cause"), line.field("error"));
    for word in words {
        assert!(reason.contains(word), "`{word}` is not in: {}", line.text);
    }
    assert!(!reason.contains("Error {") && !reason.contains("Some("), "the line contains debug output: {}", line.text);
}

/// A fault that does not pass by waiting is logged with its remedy; other faults are not.
#[track_caller]
fn assert_remedy(line: &Line, remedy: &str) {
    assert_line(line, "ERROR", &["; to mend it, ", remedy]);
    assert!(line.field("remedy").starts_with("change what the error ends with"), "{}", line.text);
}

/// Waits until the job is done, while the scheduled repair goes on.
async fn finished(cloud: &Cloud, process: &Function, client: &Client, job: &str) -> Value {
    let job = cloud
        .sweep_until(process, "the job is done", async || {
            let answer = client.get(&format!("/v2/sync/jobs/{job}")).await;
            (answer.status == 200 && is_terminal(&answer.body)).then_some(answer.body)
        })
        .await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["files"][0]["status"], "done", "{job}");
    job
}

/// Checks that this many recordings of a second were placed and counted once each.
async fn assert_placed_once(client: &Client, count: usize) {
    assert_eq!((client.segments().await.len(), client.usage().await.0), (count, count as u64));
}
