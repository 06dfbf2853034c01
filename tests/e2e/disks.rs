//! Disks that are full or read-only: clients get a clear answer, the server keeps running or refuses to start with one
//! line, and no partly written files remain.

use testkit::skip;
use tests::disk::{Disk, NO_MOUNT};
use tests::recordings::{self, T0};
use tests::wait::PATIENCE;
use tests::{Recording, Setup};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn full_disk_is_reported_and_the_server_continues_when_there_is_room() {
    let Some(disk) = Disk::new(48 * MIB) else { skip!(NO_MOUNT) };
    let server = Setup::on(&disk.path("data")).start().await;
    let client = server.client();
    client.done(&[Recording::short(T0)]).await;
    server.folder().until_no_blobs(PATIENCE).await;

    let large = recordings::large(5 * MIB);
    for left in [2 * MIB as u64, 8 * 1024, 0] {
        disk.fill_up_to(left);
        let answer = client.upload(&[Recording::large(T0 + 1000, &large)]).await;
        assert!(answer.problem(503, "storage_unavailable")["retry_after"].is_u64());
        assert_eq!(client.get("/healthz").await.status, 200);
        assert_eq!(client.jobs().await.len(), 1, "existing data can be read, and nothing was added");
        server.folder().until_no_blobs(PATIENCE).await;
        disk.make_room();
    }
    let job = client.done(&[Recording::large(T0 + 1000, &large)]).await;
    assert_eq!(job["status"], "completed", "{job}");
}

#[tokio::test]
async fn disk_that_fills_up_during_a_job_only_delays_it() {
    let Some(disk) = Disk::new(48 * MIB) else { skip!(NO_MOUNT) };
    let setup = Setup::on(&disk.path("data")).with("engine.null_delay_ms", 500).with("sweep.interval_seconds", 1);
    let setup =
        setup.with("jobs.lease_seconds", 1).with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1);
    let setup = setup.with("queue.min_backoff_seconds", 1).with("queue.max_backoff_seconds", 1);
    let server = setup.start().await;
    let client = server.client();
    let job_id = client.accepted(&[Recording::speech(T0)]).await;
    server.log.wait_step("plan", &job_id).await;
    disk.fill_up_to(0);
    let trouble = |line: &tests::log::Line| ["WARN", "ERROR"].contains(&line.field("level"));
    server.log.wait("a line about the trouble", PATIENCE, trouble).await;
    disk.make_room();
    let job = client.terminal(&job_id).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(client.usage().await.0, job["total_segments"].as_u64().unwrap());
    server.folder().until_no_blobs(2 * PATIENCE).await;
}

#[tokio::test]
async fn uploads_are_refused_below_the_disk_reserve() {
    let server = Setup::new().with("blobs.reserve_bytes", 1_u64 << 60).start().await;
    let client = server.client();
    let answer = client.upload(&[Recording::short(T0)]).await;
    answer.problem(503, "storage_unavailable");
    client.assert_empty().await;
    server.folder().until_no_blobs(PATIENCE).await;
    let ready = server.client_without_token().get("/readyz").await;
    assert!(ready.status == 503 && ready.text.contains("blobs"), "{}", ready.text);
    assert_eq!(server.client_without_token().get("/healthz").await.status, 200);
}

/// A data folder on this disk with a failed job, whose audio is kept, and no server that runs. Returns the job's id.
async fn worked(setup: &Setup) -> String {
    let server = setup.clone().with("engine.null_fail", "refuse").start().await;
    let job = server.client().done(&[Recording::speech(T0)]).await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    job["job_id"].as_str().unwrap().to_owned()
}

/// Every command that writes into a data folder has to name the folder, what is wrong with its disk, and what helps.
async fn all_commands_name(setup: &Setup, job_id: &str, what: &str, remedy: &str) {
    let folder = setup.data_dir().display().to_string();
    let place = tempfile::tempdir().unwrap();
    let export = place.path().join("moving.jsonl").display().to_string();
    let mut lines = vec![setup.refused().await];
    for args in
        [["vacuum"].as_slice(), &["admin", "cancel", job_id], &["admin", "redrive", job_id], &["export", &export]]
    {
        let output = setup.on_folder(args).await;
        lines.push(format!("{} ({})", output.refused(), args.join(" ")));
    }
    for line in lines {
        assert!(line.contains(&folder) && line.contains(what) && line.contains(remedy), "{line}");
    }
}

#[tokio::test]
async fn read_only_disk_is_named_by_every_command_with_what_to_do() {
    let Some(disk) = Disk::new(48 * MIB) else { skip!(NO_MOUNT) };
    let (old, new) = (Setup::on(&disk.path("old")), Setup::on(&disk.path("new")));
    let job_id = worked(&old).await;
    disk.read_only(true);
    all_commands_name(&old, &job_id, "mounted read-only", "mount it writable").await;
    let line = new.refused().await;
    assert!(line.contains(&new.data_dir().display().to_string()) && line.contains("mounted read-only"), "{line}");
    disk.read_only(false);
    old.start().await;
}

#[tokio::test]
async fn full_disk_is_named_by_every_command_with_what_to_do() {
    let Some(disk) = Disk::new(48 * MIB) else { skip!(NO_MOUNT) };
    let (old, new) = (Setup::on(&disk.path("old")), Setup::on(&disk.path("new")));
    let job_id = worked(&old).await;
    // With a little room, other parts of a start fail.
    for left in [0, 8 * 1024, 24 * 1024] {
        disk.fill_up_to(left);
        if left == 0 {
            all_commands_name(&old, &job_id, "its disk is full", "free some room").await;
        }
        for setup in [&old, &new] {
            let line = setup.refused().await;
            assert!(line.contains("its disk is full") && line.contains("free some room"), "{left}: {line}");
            assert!(line.contains(&setup.data_dir().display().to_string()), "{left}: {line}");
        }
        disk.make_room();
    }
    let server = old.start().await;
    server.kill9().await;
    disk.fill_up_to(0);
    // The log of a server that was killed is there, and still a change needs room.
    let output = old.on_folder(&["admin", "redrive", &job_id]).await;
    assert!(output.refused().contains("its disk is full"), "{output:?}");
}
