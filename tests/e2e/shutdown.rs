//! The end of a server whose disk takes seconds for a sync.

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Signal, kill_process};
use testkit::skip;
use tests::log::Line;
use tests::recordings::T0;
use tests::slow_disk::{NO_PRELOAD, SlowDisk};
use tests::wait::PATIENCE;
use tests::{Recording, Setup};

/// Two of them are longer than the limit.
const SYNC_SECONDS: u32 = 8;
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn server_on_a_slow_disk_ends_within_ten_seconds_and_loses_nothing() {
    let Some(disk) = SlowDisk::of(SYNC_SECONDS) else { skip!(NO_PRELOAD) };
    let setup = disk.under(Setup::new()).with("engine.null_delay_ms", 200);
    let server = setup.start().await;
    let client = server.client();
    let files: Vec<_> = (0..20).map(|n| [Recording::short(T0 + n * 1000)]).collect();
    let ids = join_all(files.iter().map(|files| client.accepted(files))).await;
    disk.slow_down();
    let late: Vec<_> = (20..24).map(|n| [Recording::short(T0 + n * 1000)]).collect();
    let uploads = join_all(late.iter().map(|files| client.try_upload("", files)));
    let mut server = server;
    let stop = async {
        let claimed = |line: &Line| ids.iter().any(|id| line.is_step_of("claim", id));
        server.log.wait("a job is claimed", PATIENCE, claimed).await;
        kill_process(server.pid(), Signal::TERM).unwrap();
        server.running.ends_within(LIMIT).await
    };
    let (answers, (ended, took)) = tokio::join!(uploads, stop);
    println!("ended after {took:?}");
    assert_eq!(ended.code(), Some(0));
    let accepted = answers.into_iter().flatten().filter(|answer| answer.status == 202);
    let late = accepted.map(|answer| answer.body["job_id"].as_str().unwrap().to_owned());
    let all: Vec<String> = ids.into_iter().chain(late).collect();
    drop(disk);
    let server = Setup::on(setup.data_dir()).start().await;
    for id in &all {
        assert_eq!(server.client().terminal(id).await["status"], "completed");
    }
}

#[tokio::test]
async fn idle_server_on_a_slow_disk_does_not_wait_for_its_databases_to_close() {
    let Some(disk) = SlowDisk::of(SYNC_SECONDS) else { skip!(NO_PRELOAD) };
    let setup = disk.under(Setup::new());
    let mut server = setup.start().await;
    let done = server.client().done(&[Recording::short(T0)]).await;
    server.log.wait_step("clean_up", done["job_id"].as_str().unwrap()).await;
    disk.slow_down();
    kill_process(server.pid(), Signal::TERM).unwrap();
    let (ended, took) = server.running.ends_within(LIMIT).await;
    println!("ended after {took:?}");
    assert_eq!(ended.code(), Some(0));
    drop(disk);
    let again = Setup::on(setup.data_dir()).start().await;
    assert_eq!(again.client().jobs().await.len(), 1);
}

#[tokio::test]
async fn shutdown_that_waits_says_for_what_and_a_second_signal_ends_it_at_once() {
    let Some(disk) = SlowDisk::of(30) else { skip!(NO_PRELOAD) };
    let setup = disk.under(Setup::new());
    let mut server = setup.start().await;
    let client = server.client();
    client.done(&[Recording::short(T0)]).await;
    disk.slow_down();
    let files = [Recording::short(T0 + 1000)];
    let hanging = client.try_upload("", &files);
    let ended = async {
        server.log.wait("the upload writes", PATIENCE, |_| true).await;
        kill_process(server.pid(), Signal::TERM).unwrap();
        server.log.wait("what it waits for", PATIENCE, |line| line.text.contains("still shutting down")).await;
        kill_process(server.pid(), Signal::TERM).unwrap();
        server.running.ends_within(Duration::from_secs(2)).await
    };
    let (_, (ended, took)) = tokio::join!(hanging, ended);
    println!("ended {took:?} after the second signal");
    assert_eq!(ended.code(), Some(143));
    drop(disk);
    let again = Setup::on(setup.data_dir()).start().await;
    assert_eq!(again.client().jobs().await.len(), 1, "nothing but what was answered");
}
