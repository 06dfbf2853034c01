//! Databases that are damaged, newer, or locked by another process: the start is refused with one line, or requests get
//! an error.

use std::ops::Range;

use rusqlite::Connection;
use serde_json::json;
use tests::recordings::T0;
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Setup, eventually};

use crate::task_answers::Tasks;

const PAGE: usize = 4096;

/// The data folder of a server that has worked and ended.
async fn used_folder() -> Setup {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    setup
}

/// Overwrites these bytes of the database.
fn damage(setup: &Setup, ranges: impl IntoIterator<Item = Range<usize>>) {
    let file = setup.folder().store_file();
    let mut content = std::fs::read(&file).unwrap();
    for bytes in ranges {
        let end = bytes.end.min(content.len());
        content[bytes.start..end].fill(0xA5);
    }
    std::fs::write(&file, content).unwrap();
}

/// The first page of every table and index, on which everything stored depends. The page of the schema itself is not
/// among them.
fn roots(setup: &Setup) -> Vec<Range<usize>> {
    let db = Connection::open(setup.folder().store_file()).unwrap();
    let mut pages = db.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0").unwrap();
    let pages = pages.query_map([], |row| row.get::<_, isize>(0)).unwrap();
    pages.map(|page| page.unwrap().unsigned_abs()).map(|page| (page - 1) * PAGE..page * PAGE).collect()
}

#[tokio::test]
async fn overwritten_database_file_prevents_the_start_with_one_line() {
    for bytes in [0..usize::MAX, 0..200] {
        let setup = used_folder().await;
        damage(&setup, [bytes.clone()]);
        let line = setup.refused().await;
        let file = setup.folder().store_file();
        assert!(line.contains(&file.display().to_string()) && line.contains("damaged"), "{bytes:?}: {line}");
    }
}

/// A start that takes less than a second does not detect it; but it is never taken for an empty database, and never
/// crashes.
#[tokio::test]
async fn damaged_database_pages_give_errors_and_the_server_keeps_running() {
    let setup = used_folder().await;
    damage(&setup, roots(&setup));
    let server = setup.start().await;
    let client = server.client();
    for answer in [client.upload(&[Recording::short(T0 + 1000)]).await, client.get("/v2/sync/jobs").await] {
        assert!(answer.status >= 500 && !answer.code().is_empty(), "{answer:?}");
        assert!(!answer.text.contains("malformed") && !answer.text.contains("store.db"), "{}", answer.text);
    }
    assert_eq!(client.get("/healthz").await.status, 200);
    server.log.wait("what happened", PATIENCE, |line| line.text.contains("malformed")).await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn database_of_a_newer_version_prevents_the_start_with_one_line() {
    let setup = Setup::new();
    setup.start().await.kill9().await;
    let database = Connection::open(setup.folder().store_file()).unwrap();
    database.pragma_update(None, "user_version", 9999).unwrap();
    drop(database);
    let line = setup.refused().await;
    assert!(line.contains("9999") && line.contains("newer"), "{line}");
}

/// Locks the database from another connection, as backups and other tools do.
fn lock(setup: &Setup) -> Connection {
    let database = Connection::open(setup.folder().store_file()).unwrap();
    database.execute_batch("BEGIN EXCLUSIVE").unwrap();
    database
}

#[tokio::test]
async fn database_locked_at_the_start_hangs_nothing() {
    let setup = Setup::new();
    setup.start().await.kill9().await;
    let held = lock(&setup);
    let server = setup.start().await;
    let (client, files) = (server.client(), [Recording::short(T0)]);
    let watch = Stopwatch::start();
    client.upload(&files).await.problem(503, "storage_unavailable");
    println!("refused after {:?}", watch.elapsed());
    drop(held);
    eventually("uploads are accepted", PATIENCE, async || (client.upload(&files).await.status == 202).then_some(()))
        .await;
}

#[tokio::test]
async fn database_that_cannot_be_opened_prevents_the_start_with_one_line() {
    let setup = Setup::new();
    std::fs::create_dir(setup.data_dir()).unwrap();
    let held = lock(&setup);
    let line = setup.refused().await;
    assert!(line.contains("store.db") && line.contains("locked"), "{line}");
    drop(held);
    setup.start().await;
}

#[tokio::test]
async fn database_locked_at_runtime_is_reported_and_recovers() {
    let setup = Setup::new().with("limits.enqueued_per_user", 1).with("engine.null_delay_ms", 600_000);
    let server = setup.start().await;
    let (client, tasks) = (server.client(), Tasks::of(&server));
    let first = client.accepted(&[Recording::short(T0)]).await;
    server.log.wait_step("plan", &first).await;
    let waiting = client.accepted(&[Recording::short(T0 + 1000)]).await;

    let held = lock(&setup);
    let late = [Recording::short(T0 + 2000)];
    let watch = Stopwatch::start();
    let (upload, delivery) = tokio::join!(client.upload(&late), tasks.deliver(&waiting, "local"));
    println!("refused after {:?}", watch.elapsed());
    upload.problem(503, "storage_unavailable");
    delivery.problem(500, "store_unavailable");
    assert_eq!(client.job(&waiting).await["status"], "queued", "reading still works");
    assert_eq!(client.get("/healthz").await.status, 200);
    drop(held);

    eventually("uploads are accepted again", PATIENCE, async || {
        (client.upload(&late).await.status == 202).then_some(())
    })
    .await;
    assert_eq!(client.get("/readyz").await.ok()["status"], json!("ready"));
    assert_eq!(client.jobs().await.len(), 3);
}
