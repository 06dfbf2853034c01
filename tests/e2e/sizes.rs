//! What the data folder takes on the disk: gauges, `afterword vacuum`, and what stays of a recording for ever.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::Value;
use testkit::skip;
use tests::disk::{Disk, NO_MOUNT};
use tests::program;
use tests::recordings::T0;
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Server, Setup, eventually};

const MIB: usize = 1 << 20;
const RECORDINGS: i64 = 200;
/// The most bytes that may stay of a recording of two seconds; `docs/OPERATIONS.md` states what was measured.
const KEPT_BYTES: i64 = 3_000;

async fn metric(server: &Server, series: &str) -> f64 {
    let text = server.client_without_token().get("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {series}: {text}")).parse().unwrap()
}

#[tokio::test]
async fn metrics_tell_room_on_the_disk_and_sizes_of_the_databases() {
    let reserve = 12_345_678;
    let server = Setup::new().with("blobs.reserve_bytes", reserve).start().await;
    server.client().done(&[Recording::short(T0)]).await;
    assert_eq!(metric(&server, "afterword_disk_reserve_bytes").await, f64::from(reserve));
    let disk = rustix::fs::statvfs(server.setup().data_dir()).unwrap();
    let (told, free) = (metric(&server, "afterword_disk_free_bytes").await, (disk.f_bavail * disk.f_frsize) as f64);
    // Others use this disk too.
    assert!(told > free * 0.5 && told < free * 2.0, "{told} {free}");
    for database in ["store", "queue"] {
        let of =
            async |name: &str| metric(&server, &format!("afterword_sqlite_{name}{{database=\"{database}\"}}")).await;
        let (bytes, log, free) = (of("bytes").await, of("wal_bytes").await, of("free_bytes").await);
        let file = server.setup().data_dir().join(format!("{database}.db-wal"));
        assert!(bytes >= 4096.0 && bytes % 4096.0 == 0.0 && free < bytes, "{database}: {bytes} {free}");
        assert_eq!(log, std::fs::metadata(file).unwrap().len() as f64, "{database}");
    }
}

/// A stopped folder whose store has free pages: half of a large table was deleted.
async fn folder_with_free_pages(setup: &Setup, mebibytes: usize) {
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    server.sigterm().await;
    let db = Connection::open(setup.folder().store_file()).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE filler (id INTEGER PRIMARY KEY, bytes BLOB)").unwrap();
    for id in 0..2 * mebibytes as i64 {
        db.execute("INSERT INTO filler VALUES (?1, randomblob(524288))", [id]).unwrap();
    }
    db.execute_batch("DELETE FROM filler WHERE id % 2 = 0; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

fn size(setup: &Setup) -> u64 {
    std::fs::metadata(setup.folder().store_file()).unwrap().len()
}

fn check(folder: &Path) {
    let db = Connection::open(folder.join("store.db")).unwrap();
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    assert_eq!(db.query_row("SELECT count(*) FROM offline_sync_jobs", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn vacuum_gives_the_space_back_and_tells_how_much() {
    let setup = Setup::new();
    folder_with_free_pages(&setup, 8).await;
    let before = size(&setup);
    let told = setup.on_folder(&["vacuum", "--json"]).await.ok();
    let store: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!((&store["bytes_before"], &store["bytes_after"]), (&before.into(), &size(&setup).into()), "{told}");
    assert!(size(&setup) < before * 6 / 10, "{told}");
    assert!(told.lines().nth(1).unwrap().contains("queue.db"), "{told}");
    check(setup.data_dir());
    let server = setup.start().await;
    let output = setup.on_folder(&["vacuum"]).await;
    assert!(output.refused().contains("another process uses the data folder"), "{output:?}");
    server.client().done(&[Recording::short(T0 + 5000)]).await;
}

#[tokio::test]
async fn vacuum_without_room_changes_nothing_and_tells_how_much_it_needs() {
    let Some(disk) = Disk::new(48 * MIB) else { skip!(NO_MOUNT) };
    let setup = Setup::on(&disk.path("data"));
    folder_with_free_pages(&setup, 8).await;
    let before = size(&setup);
    disk.fill_up_to(4 * MIB as u64);
    let output = setup.on_folder(&["vacuum"]).await;
    let line = output.refused();
    assert!(line.contains("are free") && line.contains("nothing was changed"), "{line}");
    assert_eq!(size(&setup), before);
    disk.make_room();
    setup.on_folder(&["vacuum"]).await.ok();
    assert!(size(&setup) < before);
}

#[tokio::test]
async fn vacuum_beside_a_reader_says_that_the_space_is_not_back_yet() {
    let setup = Setup::new();
    folder_with_free_pages(&setup, 8).await;
    let before = size(&setup);
    let reader = Connection::open(setup.folder().store_file()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM offline_sync_jobs").unwrap();
    let output = setup.on_folder(&["vacuum"]).await;
    let line = output.refused();
    assert!(line.contains("another process reads the database"), "{line}");
    assert!(line.contains(&format!("still has {} bytes", size(&setup))), "{line}");
    drop(reader);
    setup.on_folder(&["vacuum"]).await.ok();
    assert!(size(&setup) < before * 6 / 10);
    check(setup.data_dir());
}

#[tokio::test]
async fn killed_vacuum_leaves_a_whole_database() {
    let setup = Setup::new();
    folder_with_free_pages(&setup, 16).await;
    for moment in (0..300).step_by(20) {
        let mut command = Command::new(program::path());
        command.args(["vacuum", "--data-dir"]).arg(setup.data_dir()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let watch = Stopwatch::start();
        let until = Duration::from_millis(moment);
        eventually("time has passed", PATIENCE, async || (watch.elapsed() >= until).then_some(())).await;
        let _ = child.kill();
        child.wait().unwrap();
        check(setup.data_dir());
    }
    let files: Vec<_> = setup.folder().files("").into_iter().filter(|file| !file.contains('/')).collect();
    let known =
        |file: &&String| !["store.db", "queue.db", "push.log", "lock"].iter().any(|name| file.starts_with(name));
    assert_eq!(files.iter().filter(known).count(), 0, "a copy of words is left: {files:?}");
    setup.on_folder(&["vacuum"]).await.ok();
    check(setup.data_dir());
}

/// Bytes of tables and their indexes, by the name of the table.
fn tables(db: &Connection) -> Vec<(String, i64)> {
    let sql = "SELECT m.tbl_name, sum(s.pgsize - s.unused) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name
               GROUP BY m.tbl_name ORDER BY 2 DESC";
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_is_kept_for_ever_of_a_short_recording_is_small() {
    let setup = Setup::new().with("limits.enqueued_per_user", 100);
    let server = setup.start().await;
    let client = server.client();
    let recordings: Vec<_> = (0..RECORDINGS).map(|n| [Recording::short(T0 + n * 200_000)]).collect();
    let ids = join_all(recordings.iter().map(|files| client.accepted(files))).await;
    for id in &ids {
        client.terminal(id).await;
    }
    server.sigterm().await;
    let db = Connection::open(setup.folder().store_file()).unwrap();
    let tables = tables(&db);
    // Jobs are forgotten after eight days.
    let kept = tables.iter().filter(|(name, _)| name != "offline_sync_jobs" && name != "sqlite_schema");
    let bytes: i64 = kept.map(|(_, bytes)| bytes).sum();
    for (name, bytes) in &tables {
        println!("{name}: {} bytes a recording", bytes / RECORDINGS);
    }
    println!("kept for ever: {} bytes a recording", bytes / RECORDINGS);
    assert!(bytes / RECORDINGS < KEPT_BYTES, "{tables:?}");
}
