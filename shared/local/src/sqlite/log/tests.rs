use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;

use super::*;
use crate::sqlite::testing::{Database, add};
use crate::sqlite::{Writer, open_to_read};

const MIB: u64 = 1024 * 1024;

/// Writes this many mebibytes, one in each commit.
async fn write(writer: &Writer, first: u64, mebibytes: u64) {
    for number in first..first + mebibytes {
        let word = format!("{number:09}{}", "~".repeat(1 << 20));
        writer.call("test.add", number, move |db| add(db, &word)).await.unwrap();
    }
}

fn begin(db: &Connection) {
    db.execute_batch("BEGIN").unwrap();
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).unwrap();
}

#[tokio::test]
async fn log_is_begun_anew_although_readers_are_there_all_the_time() {
    let database = Database::new();
    let (writer, stop) = (database.writer(), Arc::new(AtomicBool::new(false)));
    let (path, is_over) = (database.path.clone(), Arc::clone(&stop));
    // One snapshot begins before the other ends, so that there is never a moment without a reader.
    let reader = std::thread::spawn(move || {
        let (mut one, mut other) = (open_to_read(&path).unwrap(), open_to_read(&path).unwrap());
        begin(&one);
        while !is_over.load(Ordering::Relaxed) {
            begin(&other);
            one.execute_batch("ROLLBACK").unwrap();
            std::mem::swap(&mut one, &mut other);
        }
    });
    let mut most = 0;
    for number in 0..100 {
        write(&writer, number, 1).await;
        most = most.max(log_bytes(&database.path));
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert!(most < 32 * MIB, "{most}");
}

#[tokio::test]
async fn log_shrinks_when_a_reader_of_an_old_state_has_ended() {
    let database = Database::new();
    let writer = database.writer();
    write(&writer, 0, 1).await;
    let reader = open_to_read(&database.path).unwrap();
    begin(&reader);
    write(&writer, 1, 40).await;
    let grown = log_bytes(&database.path);
    assert!(grown > 40 * MIB, "{grown}: nothing can prevent that");
    reader.execute_batch("ROLLBACK").unwrap();
    // The next try comes after a few mebibytes, and the commit after it cuts the log.
    write(&writer, 100, 8).await;
    let left = log_bytes(&database.path);
    assert!(left <= 17 * MIB, "{left}");
}
