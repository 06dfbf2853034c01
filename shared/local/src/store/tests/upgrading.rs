//! A store of an earlier version is upgraded with its data.

use std::sync::Arc;

use domain::job::WaitingFor;
use flow::ports::{ChangeQuery, JobStore, MaintenanceStore, Page};
use rusqlite::Connection;
use testkit::build::{T0, phone, uid};

use super::{harness, path};
use crate::store::SqliteStore;
use crate::store::schema::MIGRATIONS;

/// A store as the first version left it.
fn first_version(folder: &tempfile::TempDir, job: &domain::Job, damaged: &str) {
    let db = Connection::open(path(folder)).unwrap();
    db.execute_batch(MIGRATIONS[0]).unwrap();
    db.pragma_update(None, "application_id", 0x4166_7457).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let documents = [(job.id, serde_json::to_string(job).unwrap()), (testkit::build::job_id(9), damaged.to_owned())];
    for (id, document) in documents {
        let insert = "INSERT INTO offline_sync_jobs (id, uid, status, created_at, oldest_captured_at, document)
            VALUES (?1, 'ann', 'queued', 0, 0, ?2)";
        db.execute(insert, rusqlite::params![id.0.as_bytes(), document]).unwrap();
    }
}

#[tokio::test]
async fn upgraded_jobs_are_found_by_last_change_and_damaged_one_is_skipped() {
    let (old, _kept) = super::fresh();
    let mut job = harness(&old).accept(&uid("ann"), &[phone(0)]).await;
    job.updated_at = T0 + std::time::Duration::from_millis(7);
    for damaged in ["{", "{}", "{\"updated_at\":3}"] {
        let folder = tempfile::tempdir().unwrap();
        first_version(&folder, &job, damaged);
        let store = Arc::new(SqliteStore::open(&path(&folder), 1).unwrap());
        let query = |since| ChangeQuery::of(&uid("ann"), since, Page::first(10), T0);
        let since = async |since| store.changed_jobs(&query(since)).await.unwrap();
        assert_eq!(since(job.updated_at).await, std::slice::from_ref(&job));
        assert_eq!(since(job.updated_at + std::time::Duration::from_millis(1)).await, []);
        assert_eq!(store.due_deletions(T0, &Page::first(10)).await.unwrap(), []);
    }
}

#[tokio::test]
async fn upgraded_jobs_are_counted_by_what_they_wait_for() {
    let (old, _kept) = super::fresh();
    let mut job = harness(&old).accept(&uid("ann"), &[phone(0)]).await;
    job.waiting_for = Some(WaitingFor::Engine);
    for damaged in ["{", "{}", "{\"waiting_for\":[3]}"] {
        let folder = tempfile::tempdir().unwrap();
        first_version(&folder, &job, damaged);
        let store = SqliteStore::open(&path(&folder), 1).unwrap();
        let waiting = store.job_stats(T0).await.unwrap().waiting;
        let engine = waiting.iter().filter(|(_, jobs)| *jobs > 0).collect::<Vec<_>>();
        assert_eq!(engine, [&(WaitingFor::Engine, 1)], "{damaged}");
    }
}
