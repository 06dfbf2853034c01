//! Measures whether a status request stays as fast when the store is full: `cargo run --release -p
//! local --example store_status [jobs …]`.

#![allow(clippy::unwrap_used, reason = "a measurement ends where something fails")]
#![allow(clippy::disallowed_methods, reason = "it measures durations")]

use std::time::{Duration, Instant};

use domain::accept::{Decision, Known, decide};
use domain::transition::Context;
use domain::{Job, Rules, Status};
use flow::ports::{JobQuery, JobStore, Page};
use local::store::SqliteStore;
use testkit::build::{after, batch_as, job_id, phone, uid};

const REQUESTS: u64 = 20_000;
const USERS: u64 = 1000;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    let sizes = if sizes.is_empty() { vec![1000, 1_000_000] } else { sizes };
    for size in sizes {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("store.db"), 2).unwrap();
        let began = Instant::now();
        store.bulk_load((0..size).map(job)).await.unwrap();
        println!("{size} jobs, loaded in {:.0} s", began.elapsed().as_secs_f64());
        measure(&store, size).await;
    }
}

/// One job in fifty is unfinished, as on a day with an outage.
fn job(n: u64) -> Job {
    let batch = batch_as(job_id(n), &uid(&format!("user-{}", n % USERS)), &[phone(60)]);
    let rules = Rules::default();
    let ctx =
        Context { now: after((n / USERS) as i64), rules: &rules, slot_free: n / USERS < 4, slot_is_provisional: false };
    let known = Known { recordings: vec![None], ..Known::default() };
    let Decision::Create { mut job, .. } = decide(&batch, known, ctx) else { panic!("nothing is known") };
    if !(n / USERS).is_multiple_of(50) {
        job.status = Status::Completed;
    }
    job
}

async fn measure(store: &SqliteStore, size: u64) {
    let (mut status, mut list) = (Vec::new(), Vec::new());
    for n in 0..REQUESTS {
        // The step is coprime to the sizes, so that it visits all jobs out of order.
        let id = job_id(n * 7_919_333 % size);
        let began = Instant::now();
        let job = store.job(id).await.unwrap().unwrap();
        store.jobs_ahead(&job).await.unwrap();
        status.push(began.elapsed());
        if n.is_multiple_of(10) {
            let began = Instant::now();
            store.jobs(&JobQuery::all(&job.uid, Page::first(20), after(0))).await.unwrap();
            list.push(began.elapsed());
        }
    }
    println!("  status: {}\n  list:   {}", percentiles(status), percentiles(list));
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_micros();
    format!("p50 {} µs, p99 {} µs", at(50), at(99))
}
