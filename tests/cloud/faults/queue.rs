//! Cloud Tasks: a job is accepted even if it is down, and the scheduled repair creates the task when it is back.

use emulators::tasks::Fault;
use testkit::skip;
use tests::wait::Stopwatch;

use super::*;
use crate::journey::cloud;

const LATER: &str = "no task was made; the sweep will make it";
const NEVER: &str = "no task can be made until a person mends it; then the sweep will make it";

#[tokio::test]
async fn missing_queue_only_delays_a_job_and_is_named_in_the_log() {
    let cloud = with_short_backoff(cloud!());
    let process = cloud.process().await;
    cloud.deliver_to(&[&process]);
    let env = cloud.env_with(&[("AFTERWORD_CLOUD_QUEUE", Some("elsewhere"))]);
    let upload = Function::start("afterword-upload", &env).await;
    let client = cloud.client(&upload, "ann");
    let job = client.accepted(&[Recording::short(T0)]).await;
    let line = logged_of_job(&upload, NEVER, &job).await;
    assert_line(&line, "ERROR", &["queue.enqueue is misconfigured", "queues/elsewhere"]);
    assert_remedy(&line, "gcloud tasks queues create elsewhere --location=europe-west1");
    // A function with the right queue name finds the job due.
    finished(&cloud, &process, &client, &job).await;
    assert_placed_once(&client, 1).await;
}

#[tokio::test]
async fn queue_that_refuses_tasks_delays_jobs_and_loses_none() {
    let cloud = with_short_timeouts(with_short_backoff(cloud!()));
    let (upload, process, _) = running(&cloud).await;
    warm_up(&cloud, &upload).await;
    let mut jobs = Vec::new();
    let denied =
        "The principal (user or service account) lacks IAM permission \"cloudtasks.tasks.create\" for the resource";
    let stale = "Request had invalid authentication credentials.";
    for (n, (fault, message, reason, remedy)) in [
        (
            Fault::Refuse(403, "PERMISSION_DENIED", denied, None),
            NEVER,
            "lacks IAM permission",
            "grant roles/cloudtasks.enqueuer and roles/cloudtasks.viewer on the queue afterword",
        ),
        (
            Fault::Refuse(401, "UNAUTHENTICATED", stale, None),
            NEVER,
            "invalid authentication",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        (Fault::Refuse(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", None), LATER, "is throttled", ""),
        (Fault::Refuse(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", Some(600)), LATER, "is throttled", ""),
        (Fault::Refuse(503, "UNAVAILABLE", "The service is unavailable.", None), LATER, "is unavailable", ""),
        (Fault::Silence, LATER, "has an unknown outcome", ""),
    ]
    .into_iter()
    .enumerate()
    {
        cloud.tasks.order(fault.clone());
        // Each job has its own user, because the slots of one user would not suffice for all of them.
        let client = cloud.client(&upload, &format!("user-{n}"));
        let watch = Stopwatch::start();
        let answer = client.upload(&[Recording::short(T0)]).await;
        assert_eq!(answer.status, 202, "{fault:?}: {}", upload.log.tail());
        let job = answer.body["job_id"].as_str().unwrap().to_owned();
        assert!(watch.elapsed() < QUICK, "{fault:?}: {:?}", watch.elapsed());
        let line = logged_of_job(&upload, message, &job).await;
        let level = if message == NEVER { "ERROR" } else { "WARN" };
        assert_line(&line, level, &["queue.enqueue", reason, "queues/afterword"]);
        if remedy.is_empty() {
            assert!(!line.text.contains("to mend it"), "the fault passes by itself: {}", line.text);
        } else {
            assert_remedy(&line, remedy);
        }
        assert_eq!(client.job(&job).await["status"], "queued");
        cloud.tasks.heal();
        jobs.push((client, job));
    }
    // A job without a task is due half a minute after it was accepted.
    for (client, job) in jobs {
        finished(&cloud, &process, &client, &job).await;
        assert_placed_once(&client, 1).await;
    }
}
