//! Cloud Storage: nothing is accepted while it is down, and nothing that was accepted is lost.

use emulators::storage::{Fault, Op};
use testkit::skip;
use tests::wait::Stopwatch;

use super::*;
use crate::journey::cloud;

const NOT_NOW: &str = "a file cannot be read now";
const UNTIL_MENDED: &str = "a file cannot be read until a person mends it";

#[tokio::test]
async fn upload_to_a_refusing_bucket_stores_nothing_and_the_log_names_the_remedy() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    for (status, reason, remedy) in [
        (401, "answered 401", "GOOGLE_APPLICATION_CREDENTIALS"),
        (403, "does not have the needed access", "grant roles/storage.objectUser on the bucket afterword-audio"),
        (404, "there is no bucket `afterword-audio`", "gcloud storage buckets create gs://afterword-audio"),
    ] {
        cloud.storage.order(Op::Insert, Fault::Status(status), ALWAYS);
        let answer = client.upload(&[Recording::speech(T0)]).await;
        assert_eq!(answer.problem(503, "storage_unavailable")["retry_after"], 60);
        cloud.storage.heal();
        let line = request_error(&upload, &answer).await;
        assert_line(&line, "ERROR", &["blobs.finish is misconfigured", "afterword-audio", reason]);
        assert_remedy(&line, remedy);
    }
    client.assert_empty().await;
    assert!(cloud.storage.names().is_empty());
    assert_eq!(client.upload(&[Recording::speech(T0)]).await.status, 202);
}

#[tokio::test]
async fn failed_storage_write_stores_nothing_and_a_single_failure_is_retried() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    for (fault, wait, reason) in [
        (Fault::Status(503), "10", "blobs.finish is unavailable"),
        (Fault::CutAfter(1000), "10", "blobs.finish has an unknown outcome"),
        (Fault::RetryAfter(429, 60), "60", "blobs.finish is throttled"),
    ] {
        cloud.storage.order(Op::Insert, fault, ALWAYS);
        let answer = client.upload(&[Recording::speech(T0)]).await;
        answer.problem(503, "storage_unavailable");
        assert_eq!(answer.header("retry-after"), wait, "{fault:?}");
        cloud.storage.heal();
        assert_line(&request_error(&upload, &answer).await, "WARN", &[reason, "bucket `afterword-audio`"]);
    }
    client.assert_empty().await;
    // A single failure is not visible outside, because the call is retried.
    cloud.storage.order(Op::Insert, Fault::Status(503), 1);
    assert_eq!(client.upload(&[Recording::speech(T0)]).await.status, 202);
}

#[tokio::test]
async fn job_is_put_back_until_its_audio_can_be_read() {
    let cloud = with_short_backoff(cloud!());
    let (_upload, process, client) = running(&cloud).await;
    for (n, (fault, level, reason)) in [
        (Fault::Status(503), "WARN", "answered 503"),
        (Fault::Status(403), "ERROR", "grant roles/storage.objectUser on the bucket afterword-audio"),
        (Fault::Truncate(500), "WARN", "blobs.read is unavailable"),
        (Fault::WrongBytes, "WARN", "blobs.read read other bytes than were written"),
    ]
    .into_iter()
    .enumerate()
    {
        cloud.storage.order(Op::Read, fault, ALWAYS);
        let at = T0 + 10_000 * i64::try_from(n).unwrap();
        let job = client.accepted(&[Recording::speech(at)]).await;
        let message = if level == "ERROR" { UNTIL_MENDED } else { NOT_NOW };
        let line = logged_of_job(&process, message, &job).await;
        assert_line(&line, level, &[reason, &job]);
        process.log.wait_step("put_back", &job).await;
        assert_eq!(client.job(&job).await["completed_at"], Value::Null);
        cloud.storage.heal();
        finished(&cloud, &process, &client, &job).await;
    }
    assert_placed_once(&client, 4).await;
}

#[tokio::test]
async fn unanswered_storage_call_times_out() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    let (upload, process, client) = running(&cloud).await;
    warm_up(&cloud, &upload).await;
    cloud.storage.order(Op::Insert, Fault::Stall, ALWAYS);
    let watch = Stopwatch::start();
    let answer = client.upload(&[Recording::short(T0)]).await;
    assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
    answer.problem(503, "storage_unavailable");
    let line = request_error(&upload, &answer).await;
    assert_line(
        &line,
        "WARN",
        &["blobs.finish has an unknown outcome", "bucket `afterword-audio`: no answer within 5 s"],
    );
    cloud.storage.heal();
    client.assert_empty().await;
    cloud.storage.order(Op::Read, Fault::Stall, ALWAYS);
    let job = client.accepted(&[Recording::short(T0)]).await;
    let watch = Stopwatch::start();
    let line = logged_of_job(&process, NOT_NOW, &job).await;
    assert_line(&line, "WARN", &["blobs.read", "no answer within 5 s", &job]);
    process.log.wait_step("put_back", &job).await;
    assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
    cloud.storage.heal();
    finished(&cloud, &process, &client, &job).await;
    assert_placed_once(&client, 1).await;
    eventually("the blobs are gone", WAIT, async || {
        cloud.storage.names().iter().all(|name| !name.contains(&job)).then_some(())
    })
    .await;
}
