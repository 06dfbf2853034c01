//! FCM: whatever it answers, a job ends in the same way.

use emulators::fcm::Answer;
use testkit::skip;

use super::*;
use crate::journey::cloud;

/// The number of messages to this device's token.
fn asked(cloud: &Cloud, token: &str) -> usize {
    cloud.fcm.requests().iter().filter(|it| it["message"]["token"] == token).count()
}

#[tokio::test]
async fn refused_push_does_not_fail_the_job_and_a_dead_token_is_removed() {
    let cloud = with_short_backoff(cloud!());
    let (_upload, process, client) = running(&cloud).await;
    cloud.fcm.answer_token("dead", Answer::unregistered());
    cloud.fcm.answer_token("foreign", Answer::refused(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "no"));
    client.put_device("one", "dead").await;
    client.put_device("two", "foreign").await;
    let job = client.done(&[Recording::short(T0)]).await;
    assert_eq!(job["status"], "completed");
    let job = job["job_id"].as_str().unwrap();
    let line = logged_of_job(&process, "a push was refused; a person has to look", job).await;
    assert_eq!((line.field("level"), line.field("device_id")), ("ERROR", "two"), "{}", line.text);
    assert!(line.field("why").contains("SENDER_ID_MISMATCH") && !line.text.contains("foreign"), "{}", line.text);
    eventually("both calls were made", WAIT, async || (cloud.fcm.requests().len() >= 2).then_some(())).await;
    process.log.wait_step("push", job).await;
    assert_eq!(client.done(&[Recording::short(T0 + 10_000)]).await["status"], "completed");
    eventually("the push for the other token is sent again", WAIT, async || {
        (asked(&cloud, "foreign") == 2).then_some(())
    })
    .await;
    assert_eq!(asked(&cloud, "dead"), 1, "a dead token is forgotten");
}

#[tokio::test]
async fn push_service_is_not_called_before_its_retry_after() {
    let cloud = with_short_backoff(cloud!());
    let (_upload, process, client) = running(&cloud).await;
    for (n, answer) in [Answer::quota_exceeded(), Answer::unavailable()].into_iter().enumerate() {
        let token = format!("token-{n}");
        cloud.fcm.answer_token(&token, answer.retry_after("120"));
        client.put_device("phone", &token).await;
        let at = T0 + 10_000 * i64::try_from(n).unwrap();
        let job = client.accepted(&[Recording::short(at)]).await;
        assert_eq!(client.terminal(&job).await["status"], "completed");
        let line = logged_of_job(&process, "the push service is too busy; the push waits", &job).await;
        assert_eq!((line.field("level"), line.field("device_id")), ("WARN", "phone"), "{}", line.text);
        assert_eq!(line.fields["seconds"], 120, "{}", line.text);
        let line = process.log.wait_step("push", &job).await;
        assert_eq!(line.fields["done"], false, "the push is not given up: {}", line.text);
        for _ in 0..3 {
            cloud.sweep(&process).await;
        }
        assert_eq!(asked(&cloud, &token), 1, "no push is sent before its time");
    }
    assert_placed_once(&client, 2).await;
}

#[tokio::test]
async fn pushes_wait_while_fcm_refuses_all_of_them_for_a_setup_error() {
    let cloud = with_short_backoff(cloud!());
    let (_upload, process, client) = running(&cloud).await;
    let refused = |status, rpc, message| Answer::refused_with(status, rpc, message, serde_json::json!([]));
    for (n, (answer, remedy)) in [
        (
            refused(403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource"),
            "grant roles/firebasecloudmessaging.admin on the project",
        ),
        (
            refused(403, "PERMISSION_DENIED", "Firebase Cloud Messaging API has not been used in project 1 before"),
            "gcloud services enable fcm.googleapis.com",
        ),
        (
            refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{n}");
        cloud.fcm.answer_token(&token, answer);
        client.put_device("phone", &token).await;
        let at = T0 + 10_000 * i64::try_from(n).unwrap();
        let job = client.accepted(&[Recording::short(at)]).await;
        assert_eq!(client.terminal(&job).await["status"], "completed");
        let line = logged_of_job(&process, "no push gets through until a person mends it", &job).await;
        assert_line(&line, "ERROR", &["push.send is misconfigured (phone)"]);
        assert_remedy(&line, remedy);
        assert!(!line.text.contains(&token), "{}", line.text);
        let line = process.log.wait_step("push", &job).await;
        assert_eq!(line.fields["done"], false, "the push is not given up: {}", line.text);
    }
    assert_placed_once(&client, 3).await;
}

#[tokio::test]
async fn unanswered_push_delays_nothing_else() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    let (upload, process, client) = running(&cloud).await;
    warm_up(&cloud, &upload).await;
    cloud.fcm.answer_token("a-token", Answer::never());
    client.put_device("phone", "a-token").await;
    let watch = tests::wait::Stopwatch::start();
    let job = client.accepted(&[Recording::short(T0)]).await;
    assert_eq!(client.terminal(&job).await["status"], "completed");
    let line = logged_of_job(&process, "a push did not get through; it is tried again", &job).await;
    assert_line(&line, "WARN", &["push.send has an unknown outcome (phone)"]);
    // The limit of the connection and that of the call are the same: either may be the first.
    let error = line.field("error");
    assert!(error.contains("timed out") || error.contains("no answer in time"), "{error}");
    assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
    assert_placed_once(&client, 1).await;
}
