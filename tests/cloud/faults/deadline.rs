//! Services that are silent, or refuse for ever: a request waits for them no longer than `cloud.call_seconds`, whatever
//! it has to do afterwards.

use emulators::fcm;
use emulators::keys::Mode;
use emulators::meter::{Code, Refusal};
use emulators::storage::{Fault, Op};
use emulators::tasks;
use testkit::skip;
use tests::figures;
use tests::wait::Stopwatch;

use super::*;
use crate::journey::cloud;

/// The time that a request may wait for services.
const CALL: Duration = Duration::from_secs(5);
/// The rest of a request, on a busy machine: it answers long before it would have waited a second time.
const REST: Duration = Duration::from_millis(4500);

const STORAGE_OPS: [Op; 9] =
    [Op::Insert, Op::Start, Op::Chunk, Op::Query, Op::Cancel, Op::Read, Op::Get, Op::Delete, Op::List];

#[track_caller]
fn assert_in_time(what: &str, watch: Stopwatch) {
    let took = watch.elapsed();
    figures::report_figure(&format!("cloud.call_seconds = {}, {what}: answered after {took:?}", CALL.as_secs()));
    assert!(took < CALL + REST, "{what}: {took:?}");
}

#[tokio::test]
async fn request_to_a_silent_or_refusing_database_ends_in_time() {
    let cloud = with_short_timeouts(cloud!());
    let meter = cloud.metered().await;
    let upload = cloud.upload().await;
    warm_up(&cloud, &upload).await;
    let client = cloud.client(&upload, "ann");
    let unavailable = || Refusal::new(Code::Unavailable, "The service is currently unavailable.");
    let aborted = || Refusal::new(Code::Aborted, "Transaction lock timeout");
    for (fault, order) in [
        ("silent", Box::new(|| meter.silence("")) as Box<dyn Fn()>),
        ("silent at commits", Box::new(|| meter.silence("Commit"))),
        ("answers 503", Box::new(|| meter.refuse("", unavailable()))),
        ("aborts every commit", Box::new(|| meter.refuse("Commit", aborted()))),
    ] {
        order();
        let watch = Stopwatch::start();
        client.upload(&[Recording::short(T0)]).await.problem(503, "storage_unavailable");
        assert_in_time(&format!("upload, database {fault}"), watch);
        let open =
            serde_json::json!({"files": [{"name": Recording::short(T0).name, "size": 9, "sha256": "0".repeat(64)}]});
        let watch = Stopwatch::start();
        let answer = client.send(client.request(reqwest::Method::POST, "/v2/sync/uploads").json(&open)).await;
        answer.problem(503, "storage_unavailable");
        assert_in_time(&format!("session, database {fault}"), watch);
        meter.heal();
    }
}

#[tokio::test]
async fn request_to_a_silent_or_refusing_bucket_ends_in_time() {
    let cloud = with_short_timeouts(cloud!());
    let meter = cloud.metered().await;
    let upload = cloud.upload().await;
    warm_up(&cloud, &upload).await;
    let client = cloud.client(&upload, "ann");
    let files: Vec<_> = (0..3).map(|n| Recording::short(T0 + 600 * n)).collect();
    for fault in [Fault::Stall, Fault::Status(503)] {
        STORAGE_OPS.into_iter().for_each(|op| cloud.storage.order(op, fault, ALWAYS));
        let watch = Stopwatch::start();
        client.upload(&files).await.problem(503, "storage_unavailable");
        assert_in_time(&format!("upload, bucket {fault:?}"), watch);
        cloud.storage.heal();
        // The files are stored, and have to be deleted again because the database refuses the job.
        STORAGE_OPS.into_iter().filter(|op| *op != Op::Insert).for_each(|op| cloud.storage.order(op, fault, ALWAYS));
        meter.refuse("", Refusal::new(Code::PermissionDenied, "Missing or insufficient permissions."));
        let watch = Stopwatch::start();
        client.upload(&files).await.problem(503, "storage_unavailable");
        assert_in_time(&format!("upload that is undone, bucket {fault:?}"), watch);
        meter.heal();
        cloud.storage.heal();
    }
}

#[tokio::test]
async fn upload_is_accepted_in_time_with_a_silent_or_refusing_queue() {
    let cloud = with_short_timeouts(cloud!());
    let upload = cloud.upload().await;
    warm_up(&cloud, &upload).await;
    let client = cloud.client(&upload, "ann");
    let refused = tasks::Fault::Refuse(503, "UNAVAILABLE", "The service is unavailable.", None);
    for (n, fault) in [tasks::Fault::Silence, refused].into_iter().enumerate() {
        cloud.tasks.order(fault.clone());
        let watch = Stopwatch::start();
        client.accepted(&[Recording::short(T0 + 600 * i64::try_from(n).unwrap())]).await;
        assert_in_time(&format!("upload, queue {fault:?}"), watch);
        cloud.tasks.heal();
    }
}

/// Nobody waits for a delivery. A call without an answer ends it; it comes again, and its calls may then take longer in all
/// than what a request of a client has.
#[tokio::test]
async fn delivery_with_a_slow_database_after_a_call_without_an_answer_has_its_own_time() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    let upload = cloud.upload().await;
    warm_up(&cloud, &upload).await;
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::short(T0)]).await;
    let meter = cloud.metered().await;
    let process = cloud.process().await;
    meter.silence("");
    cloud.deliver_to(&[&process]);
    eventually("a call gets no answer", WAIT, async || (meter.struck() > 0).then_some(())).await;
    // This is more than what a request of a client would have left for its other calls.
    meter.slow("", Duration::from_millis(1500));
    process.log.wait_step("plan", &job).await;
    meter.heal();
    let failed = process.log.count(|line| line.field("message") == "request failed");
    assert!(failed <= 1, "more than the call without an answer failed: {}", process.log.tail());
    assert_eq!(client.terminal(&job).await["status"], "completed");
}

#[tokio::test]
async fn silent_push_service_is_waited_for_once_however_many_devices_there_are() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    let (_upload, process, client) = running(&cloud).await;
    for n in 0..4 {
        let token = format!("token-{n}");
        cloud.fcm.answer_token(&token, fcm::Answer::never());
        client.put_device(&format!("phone-{n}"), &token).await;
    }
    let job = client.accepted(&[Recording::short(T0)]).await;
    process.log.wait_step("finish", &job).await;
    let watch = Stopwatch::start();
    let pushed = process.log.wait_step("push", &job).await;
    assert_eq!(pushed.fields["done"], false, "it is sent later: {}", pushed.text);
    assert_in_time("push to four devices, push service silent", watch);
}

#[tokio::test]
async fn request_with_silent_or_refusing_keys_ends_in_time() {
    let cloud = with_short_timeouts(cloud!());
    for (what, mode) in [("silent", Mode::Held), ("answer 503", Mode::Status(503))] {
        let upload = cloud.upload().await;
        let client = cloud.client(&upload, "ann");
        cloud.user_keys().mode(mode);
        // All of them wait for the same fetch.
        let asked = (0..8).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let watch = Stopwatch::start();
                client.get("/v2/sync/jobs").await.problem(503, "storage_unavailable");
                watch
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            assert_in_time(&format!("request, keys {what}"), asked.await.unwrap());
        }
        cloud.user_keys().mode(Mode::Serve);
    }
}
