//! Measures how many commits a second this disk takes: one after the other, and many at once as in a
//! server.
//!
//! `cargo run --release -p local --example commit_rate [FOLDER]`

use std::path::PathBuf;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use local::sqlite::Writer;
use rusqlite::Connection;

const MIGRATIONS: &[&str] = &["CREATE TABLE jobs (id INTEGER PRIMARY KEY, document TEXT NOT NULL) STRICT"];
/// About the size of a job's document.
const DOCUMENT_BYTES: usize = 1024;

#[tokio::main]
async fn main() {
    let place = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(place).expect("the folder can be written");
    let writer = Writer::open(&folder.path().join("rate.db"), MIGRATIONS).expect("a new database opens");
    measure(&writer, 1, 5_000).await;
    measure(&writer, 64, 100_000).await;
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn measure(writer: &Writer, in_flight: usize, steps: usize) {
    let begun = Instant::now();
    let calls = stream::iter(0..steps).map(|_| writer.call("rate.add", "", add)).buffer_unordered(in_flight);
    calls.for_each(async |answer| answer.map(drop).expect("the disk takes it")).await;
    let rate = steps as f64 / begun.elapsed().as_secs_f64();
    println!("{in_flight:>3} in flight: {rate:>8.0} durable steps a second");
}

fn add(db: &Connection) -> rusqlite::Result<usize> {
    db.prepare_cached("INSERT INTO jobs (document) VALUES (?1)")?.execute(["x".repeat(DOCUMENT_BYTES)])
}
