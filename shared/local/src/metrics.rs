//! Metrics of these adapters: commits of the two databases, and outcomes of deliveries.

use std::time::Duration;

const COMMITS: &str = "afterword_sqlite_commit_duration_seconds";
const DELIVERIES: &str = "afterword_queue_deliveries_total";

/// Describes the metrics. Call it after the recorder is installed.
pub fn describe() {
    metrics::describe_histogram!(COMMITS, "Commits to disk, by database; each holds all steps that waited together");
    metrics::describe_counter!(DELIVERIES, "Deliveries of the built-in queue, by what became of the task");
    for outcome in ["done", "again", "given_up"] {
        metrics::counter!(DELIVERIES, "outcome" => outcome).increment(0);
    }
}

pub(crate) fn committed(database: &str, took: Duration) {
    metrics::histogram!(COMMITS, "database" => database.to_owned()).record(took);
}

pub(crate) fn delivered(outcome: &'static str) {
    metrics::counter!(DELIVERIES, "outcome" => outcome).increment(1);
}
