//! Every answer of the routes for tasks and the sweep.

use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Answer, Client, Recording, Server, Setup, eventually};

const PROCESS: &str = "/v2/sync/process";
const SWEEP: &str = "/v2/sync/sweep";
const UNKNOWN_JOB: &str = "11111111-1111-4111-8111-111111111111";
/// Longer than the test, so that the job does not change.
const FOR_EVER_MS: u64 = 600_000;

/// Sends by hand what the queue sends.
pub struct Tasks {
    client: Client,
    secret: String,
}

impl Tasks {
    pub fn of(server: &Server) -> Self {
        Self { client: Client::internal(&server.internal_url, ""), secret: server.folder().task_secret() }
    }

    pub async fn post(&self, path: &str, secrets: &[&str], body: impl Into<reqwest::Body>) -> Answer {
        let request = self.client.request(Method::POST, path).body(body);
        let with_secrets = secrets.iter().fold(request, |request, secret| request.header("x-task-secret", *secret));
        self.client.send(with_secrets).await
    }

    pub async fn deliver(&self, job_id: &str, uid: &str) -> Answer {
        let body = json!({"job_id": job_id, "uid": uid, "dispatch": 1}).to_string();
        self.post(PROCESS, &[&self.secret], body).await
    }

    pub async fn sweep(&self, body: &str) -> Answer {
        self.post(SWEEP, &[&self.secret], body.to_owned()).await
    }
}

/// The queue delivers the first job of the user; the second one waits for a slot, and the test delivers it.
async fn server_with_waiting_job(setup: &Setup) -> (Server, Tasks, String) {
    let server = setup.clone().with("limits.enqueued_per_user", 1).start().await;
    let tasks = Tasks::of(&server);
    let first = server.client().accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("claim", &first).await;
    let second = server.client().accepted(&[Recording::short(T0 + 1000)]).await;
    let job = server.client().job(&second).await;
    assert_eq!((&job["status"], &job["waiting_for"]), (&json!("queued"), &json!("turn")), "{job}");
    (server, tasks, second)
}

#[tokio::test]
async fn only_the_secret_opens_the_task_routes() {
    let server = Setup::new().start().await;
    let tasks = Tasks::of(&server);
    let wrong = "0".repeat(tasks.secret.len());
    let right = tasks.secret.as_str();
    for path in [PROCESS, SWEEP] {
        for secrets in [&[][..], &[""], &[&wrong], &[&right[1..]], &[right, right], &["Bearer"]] {
            tasks.post(path, secrets, "{}").await.problem(403, "forbidden");
        }
        assert_eq!(tasks.post(path, &[right], "{}").await.status, 200);
    }
}

#[tokio::test]
async fn the_public_listener_has_no_task_routes_and_the_internal_one_no_others() {
    let server = Setup::new().start().await;
    let tasks = Tasks::of(&server);
    for path in [PROCESS, SWEEP] {
        let request = server.client().request(Method::POST, path).header("x-task-secret", &tasks.secret).body("{}");
        server.client().send(request).await.problem(404, "not_found");
    }
    let inside = Client::internal(&server.internal_url, &server.token);
    for path in ["/v2/sync/jobs", "/v2/usage", "/metrics"] {
        inside.get(path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn previous_secret_is_accepted_during_a_rotation() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let setup = Setup::new().with("tasks.secret", &new).with("tasks.previous_secret", &old);
    let server = setup.start().await;
    let tasks = Tasks { client: Client::internal(&server.internal_url, ""), secret: new.clone() };
    for secret in [&old, &new] {
        assert_eq!(tasks.post(PROCESS, &[secret], "{}").await.status, 200);
    }
    let job = server.client().done(&[Recording::short(T0)]).await;
    assert_eq!(job["status"], "completed", "the queue sends the current secret");
}

#[tokio::test]
async fn malformed_tasks_are_dropped() {
    let server = Setup::new().start().await;
    let tasks = Tasks::of(&server);
    let long = format!("{{\"job_id\":\"{}\"}}", "x".repeat(10_000));
    let bodies = ["", "null", "{}", "{\"job_id\":\"mine\",\"uid\":\"a\",\"dispatch\":1}", "[1", &long];
    for body in bodies {
        let answer = tasks.post(PROCESS, &[&tasks.secret], body.to_owned()).await;
        assert_eq!((answer.status, answer.body), (200, json!({"status": "skipped", "reason": "malformed_task"})));
    }
    let alarms = || server.log.count(|line| line.field("level") == "ERROR");
    eventually("each is an alarm", PATIENCE, async || (alarms() == bodies.len()).then_some(())).await;
}

#[tokio::test]
async fn tasks_without_work_are_skipped() {
    let server = Setup::new().start().await;
    let tasks = Tasks::of(&server);
    let skipped = |reason: &str| json!({"status": "skipped", "reason": reason});
    assert_eq!(tasks.deliver(UNKNOWN_JOB, "local").await.ok(), skipped("job_not_found"));

    let job_id = &server.client().accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("clean_up", job_id).await;
    let job = server.client().job(job_id).await;
    assert_eq!(tasks.deliver(job_id, "local").await.ok(), skipped("already_finished"));
    assert_eq!(server.client().job(job_id).await, job, "nothing has changed");
    assert_eq!(server.log.steps("claim"), 1);
}

#[tokio::test]
async fn task_of_a_cancelled_job_is_skipped_and_its_audio_is_removed() {
    let setup = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS);
    let (server, tasks, job_id) = server_with_waiting_job(&setup).await;
    setup.on_folder(&["admin", "cancel", &job_id]).await.ok();
    let blobs = |server: &Server| server.folder().blobs().iter().filter(|blob| blob.contains(&job_id)).count();
    assert_eq!(blobs(&server), 1);
    let answer = tasks.deliver(&job_id, "local").await.ok();
    assert_eq!(answer, json!({"status": "skipped", "reason": "cancelled"}));
    assert_eq!(blobs(&server), 0, "unfinished effects of a finished job are completed first");
    assert_eq!(server.client().job(&job_id).await["status"], "cancelled");
}

#[tokio::test]
async fn unexpected_delivery_of_a_waiting_job_runs_it() {
    let (server, tasks, job_id) = server_with_waiting_job(&Setup::new().with("engine.null_delay_ms", 400)).await;
    let answer = tasks.deliver(&job_id, "local").await.ok();
    assert_eq!(answer, json!({"status": "done", "job_status": "completed"}));
    assert_eq!(server.client().job(&job_id).await["status"], "completed");
}

#[tokio::test]
async fn delivery_that_cannot_finish_returns_the_time_of_the_next_one() {
    let server = Setup::new().with("engine.null_fail", "transient").with("limits.enqueued_per_user", 1).start().await;
    let tasks = Tasks::of(&server);
    let first = server.client().accepted(&[Recording::short(T0)]).await;
    server.client().until(&first, "waits for the engine", |job| job["waiting_for"] == "engine").await;
    let answer = tasks.deliver(&first, "local").await.ok();
    assert_eq!(answer["status"], "rescheduled", "{answer}");
    assert!(answer["due_at"].as_str().unwrap().ends_with('Z'), "{answer}");
}

#[tokio::test]
async fn task_for_another_user_changes_nothing() {
    let setup = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS);
    let (server, tasks, job_id) = server_with_waiting_job(&setup).await;
    let eve = server.client_of("eve").await;
    let shown = async || setup.on_folder(&["admin", "show", &job_id]).await.ok();
    let before = (shown().await, server.folder().blobs());
    tasks.deliver(&job_id, "eve").await.problem(403, "owner_mismatch");
    assert_eq!((shown().await, server.folder().blobs()), before);
    eve.assert_empty().await;
    server.log.wait("the alarm", PATIENCE, |line| line.field("level") == "ERROR" && line.text.contains(&job_id)).await;
}

#[tokio::test]
async fn delivery_of_a_job_held_by_another_worker_returns_when_it_may_be_taken_over() {
    let server = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).start().await;
    let tasks = Tasks::of(&server);
    let job_id = server.client().accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("claim", &job_id).await;
    let answer = tasks.deliver(&job_id, "local").await;
    let wait = answer.problem(409, "lease_held")["retry_after"].as_u64().unwrap();
    assert!((61..=120).contains(&wait), "{wait}");
    assert_eq!(server.client().job(&job_id).await["attempt"], 1);
}

#[tokio::test]
async fn delivery_to_a_busy_instance_changes_nothing() {
    let setup = Setup::new().with("engine.null_delay_ms", FOR_EVER_MS).with("process.max_jobs", 1);
    let (server, tasks, job_id) = server_with_waiting_job(&setup).await;
    let before = server.client().job(&job_id).await;
    let answer = tasks.deliver(&job_id, "local").await;
    answer.problem(503, "backend_busy");
    assert_ne!(answer.header("retry-after"), "");
    assert_eq!(server.client().job(&job_id).await, before);
}

#[tokio::test]
async fn sweep_reports_its_counts_and_can_be_repeated() {
    let server = Setup::new().start().await;
    let tasks = Tasks::of(&server);
    let nothing = json!({
        "enqueued": 0, "recovered": 0, "finished_effects": 0, "expired": 0, "blobs_deleted": 0, "forgotten": 0,
        "corrected": 0,
    });
    for body in ["", "{}", "{\"limit\": 1}", " \n"] {
        assert_eq!(tasks.sweep(body).await.ok(), nothing, "{body:?}");
    }
    tasks.sweep("{").await.problem(400, "invalid_json");
    tasks.sweep("{\"limit\": \"all\"}").await.problem(400, "invalid_json");
    for limit in [0, 1_000_000] {
        tasks.sweep(&json!({"limit": limit}).to_string()).await.problem(400, "invalid_parameter");
    }
    let long = Value::String("x".repeat(10_000)).to_string();
    tasks.sweep(&long).await.problem(413, "request_too_large");
}
