//! Two hundred uploads of five MiB at once: all are answered, and the server's memory does not grow with them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use testkit::skip;
use tests::recordings::{self, T0};
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Setup, eventually};

const UPLOADS: i64 = 200;
const MIB: usize = 1 << 20;
const SIZE: usize = 5 * MIB;
const MOST_MEMORY: u64 = 200 * MIB as u64;
/// The number of jobs that are awaited. An unoptimised build would take too long for all of them.
const AWAITED_JOBS: usize = 16;
/// Refusals that tell a client to come back.
const RETRYABLE_CODES: [&str; 3] = ["backend_busy", "storage_unavailable", "rate_limited"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_large_uploads_at_once_fit_into_200_mib() {
    if !cfg!(target_os = "linux") {
        skip!("the peak of a process's memory is read from /proc");
    }
    let _alone = crate::alone().await;
    // The log is not part of the measurement.
    let server = Setup::new().with("log.level", "warn").start().await;
    let client = server.client();
    let content = recordings::large(SIZE);
    let watch = Stopwatch::start();
    let recordings: Vec<_> = (0..UPLOADS).map(|n| [Recording::large(T0 + n * 1000, &content)]).collect();
    let answers = join_all(recordings.iter().map(|files| client.upload(files))).await;
    let took = watch.elapsed();

    let mut counts = BTreeMap::<String, usize>::new();
    for answer in &answers {
        assert!(answer.status == 202 || RETRYABLE_CODES.contains(&answer.code()), "{} {}", answer.status, answer.text);
        *counts.entry(format!("{} {}", answer.status, answer.code())).or_default() += 1;
    }
    // Some jobs have been processed by now: their memory counts too.
    let done = || async {
        client.get("/v2/sync/jobs?status=completed&limit=100").await.ok()["jobs"].as_array().unwrap().len()
    };
    eventually("jobs are worked on", PATIENCE, async || (done().await >= AWAITED_JOBS).then_some(())).await;
    let peak = server.peak_memory();
    println!("{UPLOADS} uploads of {} MiB in {took:?}: {counts:?}, peak {} MiB", SIZE / MIB, peak / MIB as u64);
    assert!(peak < MOST_MEMORY, "{} MiB", peak / MIB as u64);
    assert_eq!(client.jobs().await.len(), counts.get("202 ").copied().unwrap_or(0));
}
