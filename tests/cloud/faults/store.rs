//! Firestore: a write that it refuses, delays or does not answer is neither accepted nor lost, and never done twice.

use emulators::meter::{Code, Refusal};
use testkit::skip;
use tests::wait::Stopwatch;

use super::*;
use crate::journey::cloud;

/// The end of the console's address that creates exactly this index.
const LINK: &str =
    "https://console.firebase.google.com/v1/r/project/demo/firestore/indexes?create_composite=Cldwcm9qZWN0cy9kZW1v";

#[tokio::test]
async fn upload_with_a_refusing_database_stores_nothing_and_the_log_names_the_remedy() {
    let cloud = cloud!();
    let meter = cloud.metered().await;
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    let index = format!("The query requires an index. You can create it here: {LINK}");
    let no_api =
        "Cloud Firestore API has not been used in project demo before or it is disabled. Enable it by visiting";
    for (code, reason, remedy) in [
        (
            Code::Unauthenticated,
            "Request had invalid authentication credentials. Expected OAuth 2 access token",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        (Code::PermissionDenied, "Missing or insufficient permissions.", "grant roles/datastore.user on the project"),
        (Code::PermissionDenied, no_api, "gcloud services enable firestore.googleapis.com"),
        (
            Code::NotFound,
            "The database (default) does not exist for project demo.",
            "gcloud firestore databases create --database='(default)'",
        ),
        (Code::FailedPrecondition, index.as_str(), "firebase deploy --only firestore:indexes"),
    ] {
        meter.refuse("", Refusal::new(code, reason));
        let database = format!("database (default) of project {}", cloud.project);
        for (operation, answer) in [
            ("store.", client.upload(&[Recording::short(T0)]).await),
            ("store.jobs is misconfigured", client.get("/v2/sync/jobs").await),
        ] {
            answer.problem(503, "storage_unavailable");
            assert_eq!(answer.header("retry-after"), "60", "{code:?}");
            let line = request_error(&upload, &answer).await;
            assert_line(&line, "ERROR", &[operation, &database, reason.trim_end_matches('.')]);
            assert_remedy(&line, remedy);
        }
        meter.heal();
    }
    client.assert_empty().await;
    assert!(cloud.storage.names().is_empty());
    assert_eq!(client.upload(&[Recording::short(T0)]).await.status, 202);
}

#[tokio::test]
async fn database_is_not_called_before_its_retry_after() {
    let cloud = cloud!();
    let meter = cloud.metered().await;
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    let exhausted = Refusal::new(Code::ResourceExhausted, "Quota exceeded.");
    for (refusal, wait, reason) in [
        (exhausted.clone().retry_after(9), "9", "is throttled"),
        (exhausted, "1", "is throttled"),
        (Refusal::new(Code::Unavailable, "The service is currently unavailable."), "10", "is unavailable"),
    ] {
        meter.refuse("", refusal.clone());
        let watch = Stopwatch::start();
        let answer = client.upload(&[Recording::short(T0)]).await;
        assert!(watch.elapsed() < QUICK, "the answer took too long: {:?}", watch.elapsed());
        answer.problem(503, "storage_unavailable");
        assert_eq!(answer.header("retry-after"), wait, "{refusal:?}");
        let line = request_error(&upload, &answer).await;
        assert_line(&line, "WARN", &["store.", reason, "of project", refusal.message.trim_end_matches('.')]);
        assert!(!line.text.contains("to mend it"), "the fault passes by itself: {}", line.text);
        meter.heal();
    }
    client.assert_empty().await;
    assert!(cloud.storage.names().is_empty());
}

#[tokio::test]
async fn job_completes_when_its_database_stops_refusing() {
    let cloud = with_short_backoff(cloud!()).with("engine.null_delay_ms", "1000").with("jobs.lease_seconds", "3");
    let meter = cloud.metered().await;
    let (_upload, process, client) = running(&cloud).await;
    for (n, (refusal, level)) in [
        (Refusal::new(Code::PermissionDenied, "Missing or insufficient permissions."), "ERROR"),
        (Refusal::new(Code::ResourceExhausted, "Quota exceeded.").retry_after(40), "WARN"),
        (Refusal::new(Code::Unavailable, "The service is currently unavailable."), "WARN"),
    ]
    .into_iter()
    .enumerate()
    {
        let at = T0 + 10_000 * i64::try_from(n).unwrap();
        let job = client.accepted(&[Recording::short(at)]).await;
        process.log.wait_step("plan", &job).await;
        meter.refuse("Commit", refusal.clone());
        // The put-back cannot be written either: the delivery fails, and is repeated.
        let reason = refusal.message.trim_end_matches('.');
        let is_it = |line: &Line| line.field("message") == "request failed" && line.text.contains(&job);
        let line = logged(&process, "the delivery fails", |line| is_it(line) && line.text.contains(reason)).await;
        assert_line(&line, level, &["store.", "of project", reason]);
        let line = logged_of_job(&process, "a fault ended a delivery", &job).await;
        assert!(line.text.contains("store."), "{}", line.text);
        meter.heal();
        finished(&cloud, &process, &client, &job).await;
    }
    assert_placed_once(&client, 3).await;
}

#[tokio::test]
async fn unanswered_database_call_times_out() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()))
        .with("engine.null_delay_ms", "1000")
        .with("jobs.lease_seconds", "3");
    let meter = cloud.metered().await;
    let (upload, process, client) = running(&cloud).await;
    warm_up(&cloud, &upload).await;
    client.get("/v2/sync/jobs").await.ok();
    meter.silence("");
    for (operation, ask) in [("store.jobs", false), ("store.", true)] {
        let watch = Stopwatch::start();
        let answer = if ask { client.upload(&[Recording::short(T0)]).await } else { client.get("/v2/sync/jobs").await };
        assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
        answer.problem(503, "storage_unavailable");
        let line = request_error(&upload, &answer).await;
        assert_line(&line, "WARN", &[operation, "is unavailable", "of project", "total request timeout"]);
    }
    meter.heal();
    client.assert_empty().await;
    let job = client.accepted(&[Recording::short(T0)]).await;
    process.log.wait_step("plan", &job).await;
    meter.silence("BatchGetDocuments");
    let watch = Stopwatch::start();
    let line = logged_of_job(&process, "a fault ended a delivery", &job).await;
    assert_line(&line, "WARN", &["store.", "of project", &job]);
    assert!(watch.elapsed() < QUICK, "{:?}", watch.elapsed());
    meter.heal();
    finished(&cloud, &process, &client, &job).await;
    assert_placed_once(&client, 1).await;
}

#[tokio::test]
async fn database_outage_loses_nothing_and_places_nothing_twice() {
    let cloud = with_short_backoff(cloud!()).with("engine.null_delay_ms", "3000").with("jobs.lease_seconds", "3");
    let (upload, process, client) = running(&cloud).await;
    let mut jobs = Vec::new();
    for n in 0..4 {
        jobs.push(client.accepted(&[Recording::short(T0 + n * 10_000)]).await);
    }
    // All jobs wait for the engine: an interrupted transaction locks its documents for a minute, here as at Google.
    eventually("all jobs are planned", WAIT, async || (process.log.steps("plan") == jobs.len()).then_some(())).await;
    cloud.set_firestore_away(true);
    for answer in [client.get("/v2/sync/jobs").await, client.upload(&[Recording::short(T0 + 90_000)]).await] {
        answer.problem(503, "storage_unavailable");
        let line = request_error(&upload, &answer).await;
        assert_line(&line, "WARN", &["store.", "is unavailable", "of project"]);
    }
    cloud.set_firestore_away(false);
    for job in &jobs {
        finished(&cloud, &process, &client, job).await;
    }
    assert_placed_once(&client, 4).await;
}

#[tokio::test]
async fn lost_database_answers_duplicate_nothing() {
    let cloud = with_short_backoff(cloud!()).with("jobs.lease_seconds", "3");
    let meter = cloud.metered().await;
    let (_upload, process, client) = running(&cloud).await;
    client.put_device("phone", "a-token-of-a-phone").await;
    meter.lose_answers("Commit", 3);
    for n in 0..4 {
        let recording = Recording::short(T0 + n * 10_000);
        // A client sends a request with an unknown outcome again, and finds its own job.
        let job = eventually("the upload is accepted", WAIT, async || {
            let answer = client.upload(std::slice::from_ref(&recording)).await;
            (answer.status == 202).then(|| answer.body["job_id"].as_str().unwrap().to_owned())
        })
        .await;
        finished(&cloud, &process, &client, &job).await;
    }
    assert_placed_once(&client, 4).await;
    assert!(meter.struck() > 10, "{} answers were lost", meter.struck());
    eventually("the blobs are gone", 2 * WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
}
