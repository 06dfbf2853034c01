//! Metrics of these adapters: commits and sizes of the two databases, room on the disk, and outcomes of deliveries.

use std::path::Path;
use std::time::Duration;

use crate::sqlite::Size;

const COMMITS: &str = "afterword_sqlite_commit_duration_seconds";
const DELIVERIES: &str = "afterword_queue_deliveries_total";
const BYTES: &str = "afterword_sqlite_bytes";
const WAL_BYTES: &str = "afterword_sqlite_wal_bytes";
const FREE_BYTES: &str = "afterword_sqlite_free_bytes";
const DISK_FREE: &str = "afterword_disk_free_bytes";
const DISK_RESERVE: &str = "afterword_disk_reserve_bytes";

/// Describes the metrics. Call it after the recorder is installed.
pub fn describe() {
    metrics::describe_histogram!(COMMITS, "Commits to disk, by database; each holds all steps that waited together");
    metrics::describe_gauge!(BYTES, "Size of a database, without its write-ahead log");
    metrics::describe_gauge!(WAL_BYTES, "Size of the write-ahead log of a database");
    metrics::describe_gauge!(FREE_BYTES, "Part of a database that is free for new data");
    metrics::describe_gauge!(DISK_FREE, "Free bytes of the disk that has the data folder");
    metrics::describe_gauge!(DISK_RESERVE, "Free bytes below which uploads are refused");
    metrics::describe_counter!(DELIVERIES, "Deliveries of the built-in queue, by what became of the task");
    for outcome in ["done", "again", "given_up"] {
        metrics::counter!(DELIVERIES, "outcome" => outcome).increment(0);
    }
}

/// Shows how much room the disk of the data folder has. A disk that cannot tell it keeps the last value.
pub fn show_disk(folder: &Path, reserve_bytes: u64) {
    metrics::gauge!(DISK_RESERVE).set(reserve_bytes as f64);
    if let Ok(disk) = rustix::fs::statvfs(folder) {
        metrics::gauge!(DISK_FREE).set(disk.f_bavail.saturating_mul(disk.f_frsize) as f64);
    }
}

pub fn show_size(database: &'static str, size: Size) {
    metrics::gauge!(BYTES, "database" => database).set(size.bytes as f64);
    metrics::gauge!(WAL_BYTES, "database" => database).set(size.log_bytes as f64);
    metrics::gauge!(FREE_BYTES, "database" => database).set(size.free_bytes as f64);
}

pub(crate) fn committed(database: &str, took: Duration) {
    metrics::histogram!(COMMITS, "database" => database.to_owned()).record(took);
}

pub(crate) fn delivered(outcome: &'static str) {
    metrics::counter!(DELIVERIES, "outcome" => outcome).increment(1);
}
