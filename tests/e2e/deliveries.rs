//! A task is delivered at least once: of two concurrent deliveries, one runs and the other finds the lease held.

use futures_util::future::join_all;
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Setup};

use crate::task_answers::Tasks;

const AT_ONCE: usize = 6;
const BUSY: &str = "backend_busy: This instance has enough to do.";

#[tokio::test]
async fn one_of_several_concurrent_deliveries_runs_and_the_others_find_the_lease_held() {
    let setup = Setup::new().with("engine.null_delay_ms", 1500).with("process.max_jobs", 2 * AT_ONCE);
    let server = setup.start().await;
    let tasks = Tasks::of(&server);
    let client = server.client();
    let job_id = client.accepted(&[Recording::short(T0)]).await;
    // The queue's own delivery is one more.
    let answers = join_all((0..AT_ONCE).map(|_| tasks.deliver(&job_id, "local"))).await;
    let held =
        answers.iter().filter(|answer| answer.status == 409).inspect(|a| _ = a.problem(409, "lease_held")).count();
    let ran = answers.iter().filter(|answer| answer.body["status"] == "done").count();
    assert!(ran <= 1 && held >= AT_ONCE - 1 && ran + held == AT_ONCE, "{answers:#?}");

    let job = client.terminal(&job_id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&"completed".into(), &1.into()), "{job}");
    server.log.wait_step("clean_up", &job_id).await;
    assert_eq!((server.log.steps("claim"), server.log.steps("transcribe"), server.log.steps("finish")), (1, 1, 1));
    assert_eq!(client.usage().await.0, job["total_segments"].as_u64().unwrap());
}

#[tokio::test]
async fn delivery_that_finds_no_permit_is_logged_with_the_reason() {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000).with("process.max_jobs", 1);
    let server = setup.start().await;
    let client = server.client();
    for at in 0..3 {
        client.accepted(&[Recording::short(T0 + at * 1000)]).await;
    }
    let failed = server.log.wait("the line", PATIENCE, |line| line.field("message") == "delivery failed").await;
    assert_eq!((&failed.fields["status"], failed.field("why")), (&503.into(), BUSY), "{failed:?}");
}
