//! The way of a recording through both functions, and the effect of a crash on the way.

use rustix::process::Signal;
use testkit::skip;
use tests::cloud::Cloud;
use tests::recordings::T0;
use tests::{Recording, eventually};

const WAIT: std::time::Duration = tests::wait::PATIENCE;

macro_rules! cloud {
    () => {
        match Cloud::start().await {
            Ok(cloud) => cloud,
            Err(why) => skip!(why),
        }
    };
}
pub(crate) use cloud;

#[tokio::test]
async fn recording_becomes_conversation_usage_and_push_and_leaves_no_blob() {
    let cloud = cloud!();
    let (upload, one, other) = (cloud.upload().await, cloud.process().await, cloud.process().await);
    cloud.deliver_to(&[&one, &other]);
    let client = cloud.client(&upload, "ann");
    client.put_device("phone", "a-token-of-a-phone").await;
    let job = client.done(&[Recording::speech(T0)]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let segments = client.segments().await;
    assert_eq!(segments.len(), 1);
    assert!(segments[0]["text"].as_str().unwrap().contains("young man"), "{segments:?}");
    assert_eq!(client.usage().await.0, 1);
    eventually("the push is sent", WAIT, async || (!cloud.fcm.requests().is_empty()).then_some(())).await;
    assert_eq!(cloud.fcm.wrong(), [] as [String; 0]);
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
    // The same recording is uploaded again: nothing is transcribed, counted or pushed twice.
    let again = client.upload(&[Recording::speech(T0)]).await;
    assert_eq!(again.status, 202);
    assert_eq!(again.body["deduplicated"], true, "{}", again.text);
    assert_eq!((client.segments().await.len(), client.usage().await.0), (1, 1));
    assert_eq!(cloud.fcm.requests().len(), 1);
}

#[tokio::test]
async fn killed_function_only_delays_its_job() {
    let cloud =
        cloud!().with("jobs.lease_seconds", "3").with("engine.name", "null").with("engine.null_delay_ms", "4000");
    let (upload, doomed) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&doomed]);
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::speech(T0)]).await;
    let next = cloud.process().await;
    // The job waits for the engine: a function killed in a transaction leaves its documents locked for a minute, here
    // as at Google.
    eventually("the job is planned", WAIT, async || doomed.log.steps("plan").checked_sub(1)).await;
    doomed.kill9().await;
    cloud.deliver_to(&[&next]);
    let job = cloud
        .sweep_until(&next, "another worker has claimed the job", async || {
            let job = client.job(&job).await;
            (job["status"] == "completed").then_some(job)
        })
        .await;
    assert_eq!(job["files"][0]["status"], "done", "{job}");
    assert_eq!((client.segments().await.len(), client.usage().await.0), (1, 1));
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
}

#[tokio::test]
async fn function_suspended_past_its_lease_changes_nothing() {
    let cloud =
        cloud!().with("jobs.lease_seconds", "3").with("engine.name", "null").with("engine.null_delay_ms", "4000");
    let (upload, sleeper) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&sleeper]);
    let client = cloud.client(&upload, "ann");
    client.put_device("phone", "a-token-of-a-phone").await;
    let job = client.accepted(&[Recording::speech(T0)]).await;
    // The job waits for the engine: a function stopped in a transaction leaves its documents locked for a minute, here
    // as at Google.
    eventually("the job is planned", WAIT, async || sleeper.log.steps("plan").checked_sub(1)).await;
    let next = cloud.process().await;
    sleeper.signal(Signal::STOP);
    cloud.deliver_to(&[&next]);
    cloud
        .sweep_until(&next, "another worker has claimed the job", async || {
            (client.job(&job).await["status"] == "completed").then_some(())
        })
        .await;
    eventually("the push is sent", WAIT, async || (!cloud.fcm.requests().is_empty()).then_some(())).await;
    let before = client.job(&job).await;
    sleeper.signal(Signal::CONT);
    eventually("the function noticed that it lost the job", WAIT, async || {
        sleeper.log.lines().into_iter().find(|line| line.text.contains("fenced") || line.text.contains("lost"))
    })
    .await;
    let outcome = |job: &serde_json::Value| {
        ["status", "attempt", "completed_at", "files", "result"].map(|field| job[field].clone())
    };
    assert_eq!(outcome(&client.job(&job).await), outcome(&before));
    assert_eq!((client.segments().await.len(), client.usage().await.0), (1, 1));
    assert_eq!(cloud.fcm.requests().len(), 1);
}
