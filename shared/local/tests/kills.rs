//! `kill -9` of a process that writes: everything that it confirmed is there and complete, and the rest
//! is only in `tmp/`.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use domain::{JobId, Uid};
use flow::ports::{BlobName, Blobs};
use futures_util::TryStreamExt;
use local::sqlite::{Readers, Writer};
use local::{DataFolder, DiskBlobs};
use rusqlite::Connection;
use system::SystemClock;
use uuid::Uuid;

const TEST: &str = "answered_writes_of_killed_process_are_complete_and_nothing_else_is_visible";
/// Set for the process that will be killed: its data folder.
const FOLDER: &str = "AFTERWORD_TEST_FOLDER";
const MIGRATIONS: &[&str] = &["CREATE TABLE notes (number INTEGER PRIMARY KEY) STRICT"];
const WRITERS: usize = 8;
/// More than a writer keeps in memory, so that there is a temporary file to leave behind.
const PIECE: usize = 200 * 1024;
const PIECES: usize = 4;
/// The number of answers that are awaited before the kill.
const ANSWERS: usize = 100;

fn name(number: u32) -> BlobName {
    BlobName::new(&Uid::new("ann").unwrap(), JobId(Uuid::from_u128(u128::from(number) / 3)), number as usize, "a.bin")
}

fn add(db: &Connection, number: u32) -> rusqlite::Result<usize> {
    db.execute("INSERT INTO notes VALUES (?1)", [number])
}

/// Writes blob after blob, each followed by a row, as for an accepted batch; prints the number of each
/// when both are confirmed.
async fn write_for_ever(folder: &Path) {
    let folder = DataFolder::open(folder).unwrap();
    let blobs = DiskBlobs::open(&folder.blobs_dir(), 0, Arc::new(SystemClock)).unwrap();
    let writer = Writer::open(&folder.store_file(), MIGRATIONS).unwrap();
    let write = async |first: u32| {
        for number in (first..).step_by(WRITERS) {
            let mut blob = blobs.create(&name(number)).await.unwrap();
            for _ in 0..PIECES {
                blob.write(Bytes::from(vec![number as u8; PIECE])).await.unwrap();
            }
            blob.finish().await.unwrap();
            writer.call("notes.add", number, move |db| add(db, number)).await.unwrap();
            println!("wrote {number}");
        }
    };
    futures_util::future::join_all((0..WRITERS as u32).map(write)).await;
}

fn child(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([TEST, "--exact", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs a process until it has written enough, kills it, and returns the numbers that were confirmed.
fn killed(folder: &Path) -> Vec<u32> {
    let mut child = child(folder);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    for line in lines.map_while(Result::ok) {
        answered.extend(line.strip_prefix("wrote ").and_then(|number| number.parse::<u32>().ok()));
        if answered.len() == ANSWERS {
            // The rest of the pipe was confirmed too, so it is read to its end.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    assert!(answered.len() >= ANSWERS, "it ended by itself");
    answered
}

#[tokio::test]
async fn answered_writes_of_killed_process_are_complete_and_nothing_else_is_visible() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_for_ever(Path::new(&folder)).await;
    }
    let root = tempfile::tempdir().unwrap();
    let answered = killed(root.path());

    let folder = DataFolder::open(root.path()).expect("the lock went with its process");
    let blobs = DiskBlobs::open(&folder.blobs_dir(), 0, Arc::new(SystemClock)).unwrap();
    blobs.sweep_temporary().unwrap();
    assert_eq!(std::fs::read_dir(folder.blobs_dir().join("tmp")).unwrap().count(), 0);
    let seen = blobs.list("uploads/", None, usize::MAX).await.unwrap();
    for (blob, _) in &seen {
        let pieces: Vec<Bytes> = blobs.read(blob, 0).await.unwrap().try_collect().await.unwrap();
        let bytes = pieces.concat();
        let is_whole = bytes.len() == PIECE * PIECES && bytes.iter().all(|byte| *byte == bytes[0]);
        assert!(is_whole, "{blob}: {} bytes", bytes.len());
    }

    let _writer = Writer::open(&folder.store_file(), MIGRATIONS).unwrap();
    let readers = Readers::open(&folder.store_file(), 1).unwrap();
    let rows = |db: &Connection| {
        db.prepare("SELECT number FROM notes")?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<u32>>>()
    };
    let rows = readers.call("notes.all", "", rows).await.unwrap();
    for number in answered {
        assert!(rows.contains(&number), "row {number}");
    }
    for number in rows {
        assert!(
            seen.iter().any(|(blob, _)| *blob == name(number)),
            "a row speaks of a blob that is not there: {number}"
        );
    }
}
