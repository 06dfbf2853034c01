//! Services that refuse, break or vanish: a request fails with the right code and keeps nothing, a job is put back and
//! ends once, and the log says what a person has to do.

use afterword_tests::cloud::Cloud;
use afterword_tests::function::Function;
use afterword_tests::log::Line;
use afterword_tests::recordings::T0;
use afterword_tests::wait::eventually_or;
use afterword_tests::{Client, Recording, eventually};
use emulators::fcm::Answer;
use emulators::storage::{Fault, Op};
use testkit::skip;

use crate::journey::cloud;

const WAIT: std::time::Duration = afterword_tests::wait::PATIENCE;
/// More often than any call is tried.
const ALWAYS: usize = 1000;

/// One user, both functions, and no wait between a fault and the next try of a job.
async fn running(cloud: &Cloud) -> (Function, Function, Client) {
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    (upload, process, client)
}

fn hasty(cloud: Cloud) -> Cloud {
    cloud.with("jobs.backoff_min_seconds", "0").with("jobs.backoff_max_seconds", "0").with("engine.name", "null")
}

async fn logged(function: &Function, what: &str, fits: impl Fn(&Line) -> bool) -> Line {
    eventually_or(what, WAIT, async || {
        function.log.lines().into_iter().find(|line| fits(line)).ok_or_else(|| function.log.tail())
    })
    .await
}

#[tokio::test]
async fn a_bucket_that_refuses_keeps_nothing_and_the_log_says_what_to_grant() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    for (status, said) in [(403, "does not have the needed access"), (404, "there is no bucket")] {
        cloud.storage.order(Op::Insert, Fault::Status(status), ALWAYS);
        client.upload(&[Recording::speech(T0)]).await.problem(503, "storage_unavailable");
        cloud.storage.heal();
        let line = logged(&upload, "the refusal is logged", |line| {
            line.field("level") != "INFO" && line.text.contains("is misconfigured") && line.text.contains(said)
        })
        .await;
        assert!(line.text.contains("afterword-audio"), "{}", line.text);
    }
    client.has_nothing().await;
    assert!(cloud.storage.names().is_empty());
    assert_eq!(client.upload(&[Recording::speech(T0)]).await.status, 202);
}

#[tokio::test]
async fn a_storage_that_breaks_while_it_is_written_keeps_nothing_and_is_no_end() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    for fault in [Fault::Status(503), Fault::CutAfter(1000), Fault::RetryAfter(429, 60)] {
        cloud.storage.order(Op::Insert, fault, ALWAYS);
        let answer = client.upload(&[Recording::speech(T0)]).await;
        answer.problem(503, "storage_unavailable");
        cloud.storage.heal();
    }
    client.has_nothing().await;
    // Once is not even noticed: it is tried again.
    cloud.storage.order(Op::Insert, Fault::Status(503), 1);
    assert_eq!(client.upload(&[Recording::speech(T0)]).await.status, 202);
}

#[tokio::test]
async fn audio_that_cannot_be_read_puts_the_job_back_until_it_can() {
    let cloud = hasty(cloud!()).with("jobs.max_attempts", "100");
    let (_upload, process, client) = running(&cloud).await;
    for (n, fault) in [Fault::Status(503), Fault::Truncate(500), Fault::WrongBytes].into_iter().enumerate() {
        cloud.storage.order(Op::Read, fault, ALWAYS);
        let at = T0 + 10_000 * i64::try_from(n).unwrap();
        let job = client.accepted(&[Recording::speech(at)]).await;
        let seen = process.log.steps("put_back");
        eventually("the job is put back", WAIT, async || (process.log.steps("put_back") > seen).then_some(())).await;
        assert_eq!(client.job(&job).await["completed_at"], serde_json::Value::Null);
        cloud.storage.heal();
        let job = cloud
            .swept_until(&process, "the job is done", async || {
                let job = client.job(&job).await;
                afterword_tests::client::is_terminal(&job).then_some(job)
            })
            .await;
        assert_eq!(job["status"], "completed", "{fault:?}: {job}");
    }
    assert_eq!((client.segments().await.len(), client.usage().await.0), (3, 3));
}

#[tokio::test]
async fn a_queue_that_is_not_there_delays_a_job_and_is_named() {
    let cloud = hasty(cloud!());
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let mut env = cloud.env();
    env.push(("AFTERWORD_CLOUD_QUEUE".to_owned(), "elsewhere".to_owned()));
    let upload = Function::start("afterword-upload", &env).await;
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::speech(T0)]).await;
    logged(&upload, "the queue is named", |line| {
        line.text.contains("is misconfigured") && line.text.contains("queues/elsewhere")
    })
    .await;
    // Who has the right name finds it due.
    let job = cloud
        .swept_until(&process, "the job is done", async || {
            let job = client.job(&job).await;
            (job["status"] == "completed").then_some(job)
        })
        .await;
    assert_eq!(job["files"][0]["status"], "done");
}

#[tokio::test]
async fn a_push_that_is_refused_fails_no_job_and_a_dead_token_goes() {
    let cloud = hasty(cloud!());
    let (_upload, process, client) = running(&cloud).await;
    cloud.fcm.answer_token("dead", Answer::unregistered());
    cloud.fcm.answer_token("foreign", Answer::refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "no"));
    client.put_device("one", "dead").await;
    client.put_device("two", "foreign").await;
    assert_eq!(client.done(&[Recording::speech(T0)]).await["status"], "completed");
    let line = logged(&process, "the refusal is logged", |line| line.text.contains("SENDER_ID_MISMATCH")).await;
    assert!(["WARN", "ERROR"].contains(&line.field("level")) && !line.text.contains("foreign"), "{}", line.text);
    let dead = |cloud: &Cloud| cloud.fcm.requests().iter().filter(|it| it["message"]["token"] == "dead").count();
    eventually("both were asked", WAIT, async || (cloud.fcm.requests().len() >= 2).then_some(())).await;
    let before = dead(&cloud);
    assert_eq!(client.done(&[Recording::speech(T0 + 10_000)]).await["status"], "completed");
    eventually("the other is asked again", WAIT, async || (cloud.fcm.requests().len() > before + 1).then_some(()))
        .await;
    assert_eq!(dead(&cloud), before, "a dead token is forgotten");
}

#[tokio::test]
async fn a_store_that_vanishes_loses_nothing_and_places_nothing_twice() {
    let cloud = hasty(cloud!()).with("engine.null_delay_ms", "3000").with("jobs.lease_seconds", "3");
    let (_upload, process, client) = running(&cloud).await;
    let jobs: Vec<String> = {
        let mut jobs = Vec::new();
        for n in 0..4 {
            jobs.push(client.accepted(&[Recording::short(T0 + n * 10_000)]).await);
        }
        jobs
    };
    // All wait for the engine: a transaction that is cut off holds its documents for a minute, here as at Google.
    eventually("all are planned", WAIT, async || (process.log.steps("plan") == jobs.len()).then_some(())).await;
    cloud.firestore_is_away(true);
    client.get("/v2/sync/jobs").await.problem(503, "storage_unavailable");
    client.upload(&[Recording::short(T0 + 90_000)]).await.problem(503, "storage_unavailable");
    cloud.firestore_is_away(false);
    for job in &jobs {
        let job = cloud
            .swept_until(&process, "the job is done", async || {
                let job = client.job(job).await;
                afterword_tests::client::is_terminal(&job).then_some(job)
            })
            .await;
        assert_eq!(job["status"], "completed", "{job}");
    }
    assert_eq!((client.segments().await.len(), client.usage().await.0), (4, 4));
}

#[tokio::test]
async fn answers_of_the_store_that_are_lost_double_nothing() {
    let cloud = hasty(cloud!()).with("jobs.lease_seconds", "3");
    let meter = cloud.metered().await;
    let (_upload, process, client) = running(&cloud).await;
    client.put_device("phone", "a-token-of-a-phone").await;
    meter.lose_answers("Commit", 3);
    for n in 0..4 {
        let recording = Recording::short(T0 + n * 10_000);
        // A request whose outcome stays unknown is sent again, as a client does: it finds its own job.
        let job = eventually("the upload is accepted", WAIT, async || {
            let answer = client.upload(std::slice::from_ref(&recording)).await;
            (answer.status == 202).then(|| answer.body["job_id"].as_str().unwrap().to_owned())
        })
        .await;
        cloud
            .swept_until(&process, "the job is done", async || {
                let answer = client.get(&format!("/v2/sync/jobs/{job}")).await;
                (answer.body["status"] == "completed").then_some(())
            })
            .await;
    }
    assert_eq!((client.segments().await.len(), client.usage().await.0), (4, 4));
    assert!(meter.lost() > 10, "{} answers were lost", meter.lost());
    eventually("the blobs are gone", 2 * WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
}
