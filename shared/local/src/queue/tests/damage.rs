//! A damaged database is put aside and replaced: at the start, and when the damage shows later.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

const PAGE: usize = 4096;

impl Site {
    fn file(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    fn aside(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("queue.db.damaged-{number}"))
    }

    /// A queue that was used and closed: its file is complete, without a log beside it.
    async fn used(&self) {
        let queue = self.open();
        for n in 1..=300 {
            queue.enqueue(new_at(n, NOW + HOUR)).await.unwrap();
        }
    }
}

/// Changes bytes of the file while the queue does not notice.
fn change(file: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

type Damage = (&'static str, fn(&mut Vec<u8>));

const DAMAGES: &[Damage] = &[
    ("the magic of the header", |bytes| bytes[..16].fill(b'x')),
    ("the whole header", |bytes| bytes[..100].fill(0xA5)),
    ("its page size", |bytes| bytes[16..18].fill(0x77)),
    ("its version", |bytes| bytes[60..64].fill(0x7F)),
    ("its version, to none", |bytes| bytes[60..64].fill(0)),
    ("its application", |bytes| bytes[68..72].fill(0x01)),
    ("the schema's page", |bytes| bytes[100..PAGE].fill(0)),
    ("the schema's page, with noise", |bytes| bytes[100..PAGE].fill(0xA5)),
    ("a page in the middle", |bytes| bytes[PAGE * 4..PAGE * 5].fill(0xA5)),
    ("a page in the middle, empty", |bytes| bytes[PAGE * 3..PAGE * 4].fill(0)),
    ("every page but the first", |bytes| bytes[PAGE..].fill(0x5A)),
    ("cut within the first page", |bytes| bytes.truncate(1000)),
    ("cut behind the first page", |bytes| bytes.truncate(PAGE)),
    ("cut in the middle", |bytes| bytes.truncate(bytes.len() / 2)),
    ("all zeros", |bytes| bytes.fill(0)),
    ("something else", |bytes| *bytes = b"not a database at all, ".repeat(500)),
];

#[tokio::test]
async fn database_damaged_at_start_is_put_aside_and_replaced() {
    for (what, damage) in DAMAGES {
        let mut site = Site::new().await;
        site.used().await;
        change(&site.file(), damage);
        let damaged = fs::read(site.file()).unwrap();
        let queue = site.open();
        assert_eq!(fs::read(site.aside(1)).unwrap(), damaged, "{what}: the damaged file is kept as it was");
        assert!(!queue.exists(&new_at(1, NOW).name()).await.unwrap(), "{what}");
        let _running = start(&queue);
        queue.enqueue(new(1)).await.unwrap();
        assert_eq!(site.call().await.answer(200), 1, "{what}");
    }
}

#[tokio::test]
async fn an_empty_file_is_a_new_queue() {
    let mut site = Site::new().await;
    fs::write(site.file(), "").unwrap();
    let queue = site.open();
    let _running = start(&queue);
    queue.enqueue(new(1)).await.unwrap();
    assert_eq!(site.call().await.answer(200), 1);
}

#[tokio::test]
async fn intact_database_is_not_replaced() {
    let site = Site::new().await;
    site.used().await;
    let queue = site.open();
    assert!(queue.exists(&new_at(300, NOW).name()).await.unwrap());
    assert!(!site.aside(1).exists());
}

/// Damages all pages but the first, after the log has been written into the file and the connection has
/// dropped its cache.
async fn spoil(queue: &LocalQueue, site: &Site) {
    let flush = |db: &Connection| db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = 0");
    // A checkpoint cannot run in a transaction, so it needs a connection of its own.
    let beside = Connection::open(site.file()).unwrap();
    flush(&beside).unwrap();
    drop(beside);
    queue.rows.call("test", "", |db: &Connection| db.execute_batch("PRAGMA shrink_memory")).await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(site.file()).unwrap();
    let noise = vec![0xA5; usize::try_from(file.metadata().unwrap().len()).unwrap() - PAGE];
    std::os::unix::fs::FileExt::write_all_at(&file, &noise, PAGE as u64).unwrap();
}

#[tokio::test]
async fn damage_at_run_time_loses_no_task_in_memory() {
    let mut site = Site::new().await;
    let queue = site.open();
    let _running = start(&queue);
    for n in 1..=3 {
        queue.enqueue(new_at(n, NOW + HOUR)).await.unwrap();
    }
    queue.enqueue(new(10)).await.unwrap();
    let in_flight = site.call().await;
    spoil(&queue, &site).await;
    // The next call notices the damage, and is answered all the same.
    queue.enqueue(new(11)).await.unwrap();
    assert!(site.aside(1).exists(), "the damaged file is kept");
    assert_eq!(site.call().await.answer(200), 11);
    assert!(queue.exists(&new(1).name()).await.unwrap(), "what memory knew stands in the new file");
    // The answer to a delivery from before ends no task of the new file.
    in_flight.answer(200);
    until_ended(&queue, 11).await;
    site.clock.set(NOW + HOUR);
    let mut calls = [site.call().await, site.call().await, site.call().await].map(|call| call.answer(200));
    calls.sort_unstable();
    assert_eq!(calls, [1, 2, 3]);
    for n in [1, 2, 3] {
        until_ended(&queue, n).await;
    }
}

#[tokio::test]
async fn concurrent_callers_replace_damaged_file_once() {
    let site = Site::new().await;
    let queue = site.open();
    for n in 1..=5 {
        queue.enqueue(new_at(n, NOW + HOUR)).await.unwrap();
    }
    spoil(&queue, &site).await;
    let enqueues = (20..60).map(|n| queue.enqueue(new_at(n, NOW + HOUR)));
    for outcome in futures_util::future::join_all(enqueues).await {
        outcome.unwrap();
    }
    assert!(site.aside(1).exists() && !site.aside(2).exists());
    assert_eq!(count(&queue, "id > 0").await, 40);
}
