//! `kill -9` at every step while fifty jobs are on the way, twenty times over: nothing that was accepted is lost, nothing
//! stands or is counted twice, nothing is left behind.

mod check;
mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::Fleet;
use testkit::SeededRandom;
use tests::wait::{self, PATIENCE, Stopwatch};
use tests::{Server, Setup};

/// Each is hit twice; the last two kills fall where the seed wants.
const STEPS: [&str; 9] = ["accept", "enqueue", "claim", "plan", "transcribe", "place", "finish", "push", "clean_up"];
const KILLS: usize = 20;
/// Jobs that are accepted and not finished when the trap is set.
const IN_FLIGHT: usize = 50;
/// At least so many new ones a round: a kill at acceptance needs somebody at the door.
const NEW: usize = 8;
/// The server dies at the first to n-th line of a step: after different amounts of work. At the door there are only as
/// many lines as new jobs.
const DEPTH: usize = 24;
const DEPTH_AT_THE_DOOR: usize = 6;
/// Jobs that have ended when the queue is lost.
const FINISHED: usize = 5;
/// Repairs wait half a minute for whoever was cut off; then everything ends within seconds.
const SETTLED: Duration = Duration::from_secs(120);

/// Times that a test can wait for. The delay keeps fifty jobs in flight without keeping the test.
fn setup() -> Setup {
    let setup = Setup::new().with("engine.null_delay_ms", 200).with("process.max_jobs", 8);
    let setup = setup.with("jobs.lease_seconds", 1).with("sweep.interval_seconds", 1);
    let setup = setup.with("jobs.backoff_min_seconds", 0).with("jobs.backoff_max_seconds", 1);
    let setup = setup.with("queue.min_backoff_seconds", 1).with("queue.max_backoff_seconds", 1);
    // A job may be unlucky more often than five times here.
    setup.with("jobs.max_attempts", 1000)
}

fn plan(random: &SeededRandom) -> Vec<&'static str> {
    let mut steps: Vec<_> = STEPS.into_iter().chain(STEPS).collect();
    while steps.len() < KILLS {
        steps.push(STEPS[random.below(STEPS.len())]);
    }
    random.shuffle(&mut steps);
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_every_step_lose_nothing_and_repeat_nothing() {
    let _alone = crate::alone().await;
    let (random, watch, setup) = (wait::random(), Stopwatch::start(), setup());
    let mut server = setup.start().await;
    let mut fleet = Fleet::new(&server).await;
    let mut hit = BTreeMap::<&str, usize>::new();
    for step in plan(&random) {
        round(&mut fleet, server, step, &random).await;
        *hit.entry(step).or_default() += 1;
        server = setup.start().await;
        fleet.move_to(&server);
    }
    println!("{KILLS} kills in {:?}: {hit:?}; at least {} jobs in flight", watch.elapsed(), fleet.fewest_in_flight);
    assert!(STEPS.iter().all(|step| hit.get(step).is_some_and(|times| *times >= 2)), "{hit:?}");
    assert!(fleet.fewest_in_flight >= IN_FLIGHT);

    fleet.upload_the_rest().await;
    check::everything(&fleet, &server, SETTLED).await;
    println!("{} jobs, all settled after {:?}", fleet.batches(), watch.elapsed());
}

/// The queue only wakes: when all of it is lost, the store knows what is to be done, and what of the ended jobs is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_forgot_everything_loses_nothing() {
    let setup = setup();
    let server = setup.start().await;
    let mut fleet = Fleet::new(&server).await;
    // Between its end and its effects.
    server.kill_at("finish", FINISHED);
    fleet.top_up(IN_FLIGHT, NEW).await;
    server.wait_killed(PATIENCE).await;
    setup.folder().forget_the_queue();
    let server = setup.start().await;
    fleet.move_to(&server);
    fleet.upload_the_rest().await;
    check::everything(&fleet, &server, SETTLED).await;
}

/// Fills the pipeline, and lets the server die at the n-th line of a step.
async fn round(fleet: &mut Fleet, server: Server, step: &str, random: &SeededRandom) {
    if ["accept", "enqueue"].contains(&step) {
        server.kill_at(step, 1 + random.below(DEPTH_AT_THE_DOOR));
        fleet.top_up(IN_FLIGHT, NEW).await;
    } else {
        fleet.top_up(IN_FLIGHT, NEW).await;
        fleet.count_in_flight().await;
        server.kill_at(step, 1 + random.below(DEPTH));
    }
    server.wait_killed(PATIENCE).await;
}
