//! An engine with many recordings: what it may take in memory, and that it stays at work. `make bench` measures how long that
//! takes, and `src/index/tests.rs` asserts that no statement takes longer because there are more rows.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod many;

use std::time::Duration;

use engine::State;
use engine::std_ports::block_on;
use many::{fill, open};

/// The memory of this process in MiB, where the system tells it.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1024.0 / 1024.0
}

#[test]
fn engine_with_a_million_recordings_works_in_a_hundred_mebibytes() {
    let (folder, pending) = (tempfile::tempdir().unwrap(), 10_000);
    fill(folder.path(), pending, 1_000_000);
    let (engine, driver, requests) = open(folder.path());
    assert_eq!(engine.status().unwrap().queue, pending + 1);
    assert_eq!(engine.list(Some(State::Pending), None, 100).unwrap().len(), 100);
    // A pass looks at everything that is due, and then asks the server.
    let closing = engine.clone();
    let runs = std::thread::spawn(move || block_on(driver.run()));
    assert!(requests.recv_timeout(Duration::from_secs(60)).is_ok(), "no request");
    // Housekeeping has a million files to delete: it ends between two pages.
    closing.close();
    runs.join().unwrap();
    let memory = resident();
    println!("{memory:.0} MiB");
    assert!(memory < 100.0, "{memory} MiB");
}
