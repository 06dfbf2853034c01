//! The write-ahead log stays below its bound while backups and readers work all the time.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use rusqlite::Connection;
use tests::program;
use tests::recordings::T0;
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Client, Recording, Setup, eventually};

const MIB: u64 = 1 << 20;
/// The bound that `docs/OPERATIONS.md` states.
const BOUND: u64 = 64 * MIB;
/// Above this size a reader that holds an old state has kept the log from beginning anew.
const HELD: u64 = 26 * MIB;
/// Uploads at a time.
const AT_ONCE: i64 = 16;

/// Uploads until `done`. Returns how many jobs were accepted.
async fn load(client: &Client, done: &AtomicBool) -> i64 {
    let mut jobs = 0;
    while !done.load(Ordering::Relaxed) {
        let batch: Vec<_> = (jobs..jobs + AT_ONCE).map(|n| [Recording::short(T0 + n * 2000)]).collect();
        join_all(batch.iter().map(|files| client.accepted(files))).await;
        jobs += AT_ONCE;
    }
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_stays_below_its_bound_with_backups_and_readers_all_the_time() {
    let _alone = crate::alone().await;
    let setup = Setup::new().with("log.level", "warn").with("limits.enqueued_per_user", 100);
    setup.start().await.sigterm().await;
    // A store that does not fit into a pipe and its buffers.
    let db = Connection::open(setup.folder().store_file()).unwrap();
    db.execute_batch("CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (randomblob(8000000))").unwrap();
    drop(db);
    let server = setup.start().await;
    let client = server.client();
    client.done(&[Recording::short(T0 - 10_000)]).await;
    let place = tempfile::tempdir().unwrap();
    let (done, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let log = setup.data_dir().join("store.db-wal");
    // Nobody reads from this pipe: the backup would hold its first state for ever.
    let mut stalled = Command::new(program::path());
    stalled.args(["backup", "--data-dir"]).arg(setup.data_dir()).arg("-");
    let mut stalled = stalled.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();

    let watch = Stopwatch::start();
    let watched = async {
        // The log grew until the stalled backup gave its state up, and has shrunk since.
        let (mut held, mut shrank) = (false, false);
        eventually("the log has grown and shrunk", 4 * PATIENCE, async || {
            let bytes = std::fs::metadata(&log).map_or(0, |about| about.len());
            most.fetch_max(bytes, Ordering::Relaxed);
            held |= bytes > HELD;
            shrank |= held && bytes < 20 * MIB;
            shrank.then_some(())
        })
        .await;
        // And on with the same load.
        let since = watch.elapsed();
        eventually("as much again", 4 * PATIENCE, async || {
            let bytes = std::fs::metadata(&log).map_or(0, |about| about.len());
            most.fetch_max(bytes, Ordering::Relaxed);
            (watch.elapsed() > since * 3 / 2).then_some(())
        })
        .await;
        done.store(true, Ordering::Relaxed);
    };
    let backups = async {
        let kept = place.path().join("kept").display().to_string();
        let mut count = 0;
        while !done.load(Ordering::Relaxed) {
            setup.on_folder(&["backup", "--to", &kept]).await.ok();
            count += 1;
        }
        count
    };
    let reads = async {
        while !done.load(Ordering::Relaxed) {
            client.get("/v2/conversations?limit=100").await.ok();
            client.get("/v2/sync/jobs?limit=100").await.ok();
        }
    };
    let looks = async {
        while !done.load(Ordering::Relaxed) {
            setup.on_folder(&["admin", "damaged"]).await.ok();
        }
    };
    let (jobs, (), backups, (), ()) = tokio::join!(load(&client, &done), watched, backups, reads, looks);
    stalled.kill().unwrap();
    stalled.wait().unwrap();
    let most = most.into_inner();
    println!("{jobs} jobs and {backups} backups in {:?}: the log had at most {} KiB", watch.elapsed(), most / 1024);
    assert!(most < BOUND, "{most}");
}
