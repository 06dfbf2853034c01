//! `afterword backup --to` and `afterword restore`: only what is new is copied, and a kill leaves the last complete
//! state.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tests::program::{self, CommandOutput};
use tests::recordings::{self, T0};
use tests::wait::{self, PATIENCE};
use tests::{Client, Folder, Recording, Server, Setup, afterword, eventually};

const MIB: usize = 1 << 20;
const KILLS: usize = 25;
const LONG_TO_COPY: u64 = 1 << 30;

async fn backup(setup: &Setup, place: &TempDir) -> Value {
    let kept = place.path().join("kept").display().to_string();
    serde_json::from_str(&setup.on_folder(&["backup", "--json", "--to", &kept]).await.ok()).unwrap()
}

async fn restore(place: &TempDir, name: &str) -> CommandOutput {
    let text = |name: &str| place.path().join(name).display().to_string();
    afterword(&["restore", "--data-dir", &text(name), &text("kept")]).await
}

/// The jobs in a restored store, which must be whole.
fn jobs_of(folder: &Path) -> Vec<String> {
    let db = Connection::open(folder.join("store.db")).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut statement = db.prepare("SELECT lower(hex(id)) FROM offline_sync_jobs").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

#[tokio::test]
async fn second_backup_into_a_folder_copies_only_what_changed_and_restores_everything() {
    let setup = Setup::new().with("engine.null_delay_ms", 600_000);
    let server = setup.start().await;
    let client = server.client();
    let large = recordings::large(8 * MIB);
    let audio = large.len() as u64;
    for at in 0..3 {
        client.accepted(&[Recording::large(T0 + at * 1000, &large)]).await;
    }
    let place = tempfile::tempdir().unwrap();
    let first = backup(&setup, &place).await;
    let copied = |summary: &Value| summary["copied_bytes"].as_u64().unwrap();
    assert_eq!(first["recordings"], 3);
    assert!((3 * audio..4 * audio).contains(&copied(&first)), "{first}");
    // Equal content is kept once.
    assert!((audio..2 * audio).contains(&first["bytes"].as_u64().unwrap()), "{first}");
    client.accepted(&[Recording::short(T0 + 5000)]).await;
    let second = backup(&setup, &place).await;
    let store = std::fs::metadata(setup.folder().store_file()).unwrap().len();
    println!("first: {first}, second: {second}, store: {store} bytes");
    assert_eq!(second["recordings"], 4);
    let short = Recording::short(T0).bytes.len() as u64;
    assert!(copied(&second) > short && copied(&second) < short + store.max(400_000), "{second}, store {store}");

    restore(&place, "restored").await.ok();
    let restored = Folder::new(&place.path().join("restored"));
    let blobs = |folder: &Folder| {
        let with_bytes = |file: String| (std::fs::read(folder.path.join(&file)).unwrap(), file);
        folder.files("blobs/uploads").into_iter().map(with_bytes).collect::<Vec<_>>()
    };
    assert!(blobs(&restored) == blobs(&server.folder()), "every blob is there, with the same bytes");
    let copy = Setup::on(&restored.path).with("engine.null_delay_ms", 600_000).start().await;
    let ids = async |client: &Client| {
        let mut ids: Vec<_> = client.jobs().await.iter().map(|job| job["job_id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&Client::new(&copy.url, &server.token)).await, ids(&client).await);
    let again = restore(&place, "restored").await;
    assert!(again.refused().contains("restored"), "a restore replaces nothing: {again:?}");
}

#[tokio::test]
async fn damaged_or_foreign_folder_is_refused() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let place = tempfile::tempdir().unwrap();
    let none = restore(&place, "restored").await;
    assert!(none.refused().contains("no complete backup"), "{none:?}");
    std::fs::create_dir(place.path().join("photos")).unwrap();
    std::fs::write(place.path().join("photos/1.jpg"), "x").unwrap();
    let photos = place.path().join("photos").display().to_string();
    let refused = setup.on_folder(&["backup", "--to", &photos]).await;
    assert!(refused.refused().contains("neither empty nor a backup"), "{refused:?}");

    backup(&setup, &place).await;
    let files = Folder::new(&place.path().join("kept")).files("files");
    for file in files {
        let path = place.path().join("kept").join(&file);
        let right = std::fs::read(&path).unwrap();
        let mut wrong = right.clone();
        wrong[right.len() / 2] ^= 1;
        std::fs::write(&path, wrong).unwrap();
        let output = restore(&place, "restored").await;
        // The sums of the pages are for the next backup, not for a restore.
        if output.code != Some(0) {
            assert!(output.refused().contains(&file) && output.refused().contains("digest"), "{output:?}");
            assert!(!place.path().join("restored").exists());
        } else {
            std::fs::remove_dir_all(place.path().join("restored")).unwrap();
        }
        std::fs::write(&path, right).unwrap();
    }
    restore(&place, "restored").await.ok();
}

#[tokio::test]
async fn backup_of_another_server_is_refused_and_that_of_a_restored_one_continues() {
    let (lost, new) = (Setup::new(), Setup::new());
    let server = lost.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let place = tempfile::tempdir().unwrap();
    backup(&lost, &place).await;
    let kept = Folder::new(&place.path().join("kept"));
    let with_bytes = || kept.files("").into_iter().map(|file| (std::fs::read(kept.path.join(&file)).unwrap(), file));
    let before: Vec<_> = with_bytes().collect();

    let _new = new.start().await;
    let refused = new.on_folder(&["backup", "--to", &kept.path.display().to_string()]).await;
    let line = refused.refused();
    assert!(line.contains("the backup of another server") && line.contains("name another folder"), "{line}");
    assert!(with_bytes().eq(before), "a refused backup changes nothing");

    restore(&place, "restored").await.ok();
    let restored = Setup::on(&place.path().join("restored"));
    let _restored = restored.start().await;
    let continued = backup(&restored, &place).await;
    assert_eq!(continued["recordings"], 0, "{continued}");
    restore(&place, "again").await.ok();
    assert_eq!(jobs_of(&place.path().join("again")).len(), 1);
}

#[tokio::test]
async fn signal_ends_a_backup_into_a_folder_and_what_it_copied_is_removed() {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let place = tempfile::tempdir().unwrap();
    backup(&setup, &place).await;
    let kept = Folder::new(&place.path().join("kept"));
    let before = kept.files("");
    // It takes long enough to copy that the signal comes in between; the store is copied by then.
    let large = setup.data_dir().join("blobs/uploads/somebody/some-job/0-recording.bin");
    std::fs::create_dir_all(large.parent().unwrap()).unwrap();
    std::fs::File::create(&large).unwrap().set_len(LONG_TO_COPY).unwrap();
    server.client().done(&[Recording::short(T0 + 2000)]).await;
    let mut command = Command::new(program::path());
    command.args(["backup", "--data-dir"]).arg(setup.data_dir()).arg("--to").arg(&kept.path);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let has_copied = || kept.files("files").len() > before.iter().filter(|file| file.starts_with("files/")).count();
    eventually("the store is copied", PATIENCE, async || has_copied().then_some(())).await;
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{said}");
    assert!(said.contains("what it had copied is removed"), "{said}");
    assert_eq!(kept.files(""), before);
}

/// Uploads one recording after another, and notes the job of each.
async fn load(server: &Server, first: i64, count: i64) {
    let client = server.client();
    let recordings: Vec<_> = (first..first + count).map(|n| [Recording::short(T0 + n * 2000)]).collect();
    join_all(recordings.iter().map(|files| client.accepted(files))).await;
}

#[tokio::test]
async fn backup_folder_is_restorable_after_kills_at_any_moment() {
    let setup = Setup::new();
    let server = setup.start().await;
    let (random, place) = (wait::random(), tempfile::tempdir().unwrap());
    load(&server, 0, 8).await;
    backup(&setup, &place).await;
    restore(&place, "state").await.ok();
    let mut complete = jobs_of(&place.path().join("state"));
    std::fs::remove_dir_all(place.path().join("state")).unwrap();
    let mut cut_off = 0;
    for kill in 0..KILLS {
        let kept = place.path().join("kept");
        let mut command = Command::new(program::path());
        command.args(["backup", "--data-dir"]).arg(setup.data_dir()).arg("--to").arg(&kept);
        load(&server, 8 * (kill as i64 + 1), 4).await;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moment = Duration::from_millis(random.below(150) as u64);
        pause(moment).await;
        let _ = child.kill();
        let ended = child.wait().unwrap();
        cut_off += usize::from(!ended.success());
        restore(&place, "state").await.ok();
        let now = jobs_of(&place.path().join("state"));
        assert!(complete.iter().all(|job| now.contains(job)), "after {moment:?} a complete state is lost");
        complete = now;
        std::fs::remove_dir_all(place.path().join("state")).unwrap();
    }
    println!("{cut_off} of {KILLS} backups were cut off");
    assert!(cut_off > 0, "no kill came in time");
    backup(&setup, &place).await;
    restore(&place, "state").await.ok();
    assert!(jobs_of(&place.path().join("state")).len() >= complete.len());
    let temporary = Folder::new(&place.path().join("kept")).files("tmp");
    assert_eq!(temporary, [""; 0], "what was cut off is removed");
}

/// Lets a process run for a while.
async fn pause(time: Duration) {
    let watch = wait::Stopwatch::start();
    eventually("time has passed", PATIENCE, async || (watch.elapsed() >= time).then_some(())).await;
}
