//! `kill -9` at every step while fifty jobs are in progress, twenty times: nothing that was accepted is lost, nothing
//! is stored or counted twice, nothing is left behind.

mod check;
mod fleet;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::Fleet;
use testkit::SeededRandom;
use tests::wait::{self, PATIENCE, Stopwatch};
use tests::{Server, Setup};

/// The server is killed twice at each step; the seed chooses the steps of the last two kills.
const STEPS: [&str; 9] = ["accept", "enqueue", "claim", "plan", "transcribe", "place", "finish", "push", "clean_up"];
const KILLS: usize = 20;
/// Jobs that are accepted and not finished when the trap is set.
const IN_FLIGHT: usize = 50;
/// The least number of new jobs in a round: a kill at acceptance needs uploads.
const MIN_NEW: usize = 8;
/// The server dies at the first to n-th log line of a step, which means after different amounts of work. There are only
/// as many lines of the step `accept` as new jobs.
const DEPTH: usize = 24;
const DEPTH_AT_THE_DOOR: usize = 6;
/// The number of jobs that have ended when the queue is lost.
const FINISHED: usize = 5;
/// Repairs wait half a minute after an interruption; then everything ends within seconds.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);

/// Intervals that a test can wait for. The delay keeps fifty jobs in progress without slowing down the test.
fn setup() -> Setup {
    let setup = Setup::new().with("engine.null_delay_ms", 200).with("process.max_jobs", 8);
    let setup = setup.with("jobs.lease_seconds", 1).with("sweep.interval_seconds", 1);
    let setup = setup.with("jobs.backoff_min_seconds", 0).with("jobs.backoff_max_seconds", 1);
    let setup = setup.with("queue.min_backoff_seconds", 1).with("queue.max_backoff_seconds", 1);
    // Here a job may be hit by a kill more often than five times.
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
async fn kills_at_every_step_lose_and_repeat_nothing() {
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
    check::everything(&fleet, &server, SETTLE_LIMIT).await;
    println!("{} jobs, all settled after {:?}", fleet.batches(), watch.elapsed());
}

/// The queue only wakes workers: when all of it is lost, the store knows what is to be done, including the effects of
/// ended jobs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loss_of_the_whole_queue_loses_no_work() {
    let setup = setup();
    let server = setup.start().await;
    let mut fleet = Fleet::new(&server).await;
    // The server is killed between the end of a job and its effects.
    server.kill_at("finish", FINISHED);
    fleet.top_up(IN_FLIGHT, MIN_NEW).await;
    server.wait_killed(PATIENCE).await;
    setup.folder().forget_the_queue();
    let server = setup.start().await;
    fleet.move_to(&server);
    fleet.upload_the_rest().await;
    check::everything(&fleet, &server, SETTLE_LIMIT).await;
}

/// Uploads enough jobs, and kills the server at the n-th line of a step.
async fn round(fleet: &mut Fleet, server: Server, step: &str, random: &SeededRandom) {
    if ["accept", "enqueue"].contains(&step) {
        server.kill_at(step, 1 + random.below(DEPTH_AT_THE_DOOR));
        fleet.top_up(IN_FLIGHT, MIN_NEW).await;
    } else {
        fleet.top_up(IN_FLIGHT, MIN_NEW).await;
        fleet.count_in_flight().await;
        server.kill_at(step, 1 + random.below(DEPTH));
    }
    server.wait_killed(PATIENCE).await;
}
