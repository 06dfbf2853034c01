//! Uploads of several clients at once: none waits for what another one writes, and none is sent away.

use std::time::Duration;

use testkit::skip;
use tests::cloud::Cloud;
use tests::function::Function;
use tests::recordings::T0;
use tests::wait::Stopwatch;
use tests::{Recording, figures};

use crate::journey::cloud;

const CLIENTS: usize = 16;
/// How many files each client uploads, one after the other.
const FILES: usize = 5;
/// A bound that no upload comes near, however busy the machine is. The measured times are printed.
const LONGEST: Duration = Duration::from_secs(20);

/// How many clients upload at the same moment: more than the slots that a job reads to find out which one was first.
const BURST: usize = 90;

/// Every client uploads its files, one after the other, at the same time as the other clients. The result is the
/// duration of every upload, in order.
async fn upload_at_once(
    cloud: &Cloud,
    upload: &Function,
    (clients, files): (usize, usize),
    user_of: impl Fn(usize) -> String,
) -> Vec<Duration> {
    // The first request of a process connects to its services, which is not what is measured.
    assert_eq!(cloud.client(upload, "early").upload(&[Recording::short(T0)]).await.status, 202);
    let clients = (0..clients).map(|n| {
        let client = cloud.client(upload, &user_of(n));
        tokio::spawn(async move {
            let mut took = Vec::new();
            for file in 0..files {
                let recording = Recording::short(T0 + 600 * i64::try_from(n * files + file).unwrap());
                let watch = Stopwatch::start();
                let answer = client.upload(&[recording]).await;
                took.push(watch.elapsed());
                assert_eq!(answer.status, 202, "client {n}, file {file}: {}", answer.text);
            }
            took
        })
    });
    let mut all = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        all.extend(client.await.unwrap());
    }
    all.sort();
    all
}

fn report(what: &str, took: &[Duration]) {
    let of = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    figures::report_figure(&format!(
        "Uploads of {CLIENTS} clients at once, {what}: median {:?}, p95 {:?}, longest {:?} ({} uploads)",
        of(50),
        of(95),
        of(100),
        took.len()
    ));
    assert!(of(100) < LONGEST, "{what}: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_many_users_do_not_wait_for_each_other() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let took = upload_at_once(&cloud, &upload, (CLIENTS, FILES), |n| format!("user-{n}")).await;
    report("a user each", &took);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_one_user_do_not_wait_for_each_other() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let took = upload_at_once(&cloud, &upload, (CLIENTS, FILES), |_| "ann".to_owned()).await;
    report("one user", &took);
    // No more jobs are on their way than the user may have, and all others are in line.
    let jobs = cloud.client(&upload, "ann").jobs().await;
    let in_line = jobs.iter().filter(|job| job["waiting_for"] == "turn").count();
    assert_eq!((jobs.len(), in_line), (CLIENTS * FILES, CLIENTS * FILES - 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_one_user_at_the_same_moment_leave_no_slot_free() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    upload_at_once(&cloud, &upload, (BURST, 1), |_| "ann".to_owned()).await;
    let jobs = cloud.client(&upload, "ann").jobs().await;
    let in_line = jobs.iter().filter(|job| job["waiting_for"] == "turn").count();
    assert_eq!((jobs.len(), in_line), (BURST, BURST - 4), "without a sweep");
}
