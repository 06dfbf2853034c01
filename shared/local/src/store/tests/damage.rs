//! Damage that only rows of this store can have; what is common to all stores is in `damaged.rs`.

use std::sync::Arc;
use std::time::Duration;

use domain::{Command, ConversationId, Job};
use flow::ports::{JobStore, LibraryStore, LineQuery, MaintenanceStore, Page};
use flow::{Error, Kind};
use rusqlite::Connection;
use testkit::Harness;
use testkit::build::{conversation_id, phone, uid};

use super::{fresh, harness, path};
use crate::store::SqliteStore;

/// Changes rows while the store does not notice.
fn tamper(folder: &tempfile::TempDir, sql: &str, id: &[u8; 16]) {
    let changed = Connection::open(path(folder)).unwrap().execute(sql, [id]).unwrap();
    assert_eq!(changed, 1, "{sql}");
}

fn spoil(folder: &tempfile::TempDir, job: &Job) {
    tamper(folder, "UPDATE offline_sync_jobs SET document = '{\"id\":' WHERE id = ?1", job.id.0.as_bytes());
}

fn names(error: &Error, table: &str, id: &str) {
    assert_eq!(error.kind, Kind::Corrupt);
    let text = error.to_string();
    assert!(text.contains(table) && text.contains(id), "{text}");
}

async fn accept(store: &Arc<SqliteStore>, n: u32) -> (Harness, Vec<Job>) {
    let harness = harness(store);
    let mut jobs = Vec::new();
    for n in 0..n {
        jobs.push(harness.accept(&uid("ann"), &[phone(i64::from(n) * 1000)]).await);
    }
    (harness, jobs)
}

#[tokio::test]
async fn job_stored_under_another_id_is_damage() {
    let (store, folder) = fresh();
    let (_, jobs) = accept(&store, 1).await;
    let other = conversation_id(7).0;
    let sql = "UPDATE offline_sync_jobs SET id = ?1";
    tamper(&folder, sql, other.as_bytes());
    assert_eq!(store.job(domain::JobId(other)).await.unwrap(), None);
    assert!(store.damaged(10).await.unwrap()[0].why.contains("of another job"));
    assert_eq!(store.job(jobs[0].id).await.unwrap(), None);
}

#[tokio::test]
async fn sweep_continues_past_damaged_job() {
    let (store, folder) = fresh();
    let (harness, jobs) = accept(&store, 3).await;
    spoil(&folder, &jobs[0]);
    harness.pass(Duration::from_secs(3600));
    let due = store.due_jobs(harness.now(), Page::first(2)).await.unwrap();
    let found: Vec<_> = due.iter().map(|job| job.id).collect();
    assert_eq!(found, [jobs[1].id, jobs[2].id]);
    assert_eq!(store.all_jobs(&[], 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn damaged_waiting_job_does_not_block_slots_or_end_of_others() {
    let (store, folder) = fresh();
    let (harness, jobs) = accept(&store, 6).await;
    spoil(&folder, &jobs[4]);
    harness.done(jobs[0].id, Command::Cancel).await;
    assert!(harness.job(jobs[5].id).await.holds_slot());
}

#[tokio::test]
async fn damaged_plan_and_lost_recording_are_named_in_error() {
    for sql in ["UPDATE recordings SET plan = x'ff' WHERE id = ?1", "DELETE FROM recordings WHERE id = ?1"] {
        let (store, folder) = fresh();
        let (harness, jobs) = accept(&store, 1).await;
        let job = harness.claim(jobs[0].id).await;
        let (_, recording) = harness.plan(&job, 0, testkit::build::speech(&[(0, 900)])).await;
        tamper(&folder, sql, recording.id.bytes());
        let group = domain::placement::Group { fence: job.lease.fence, index: 0, answers: Vec::new() };
        let error = store.place(job.id, &group, harness.at()).await.unwrap_err();
        names(&error, "recordings", &recording.id.to_string());
    }
}

#[tokio::test]
async fn damaged_line_does_not_keep_deleted_conversation_texts() {
    let (store, folder) = fresh();
    let (harness, ann) = (harness(&store), uid("ann"));
    let said = [(0, 900, "a secret"), (1000, 1900, "another secret"), (2000, 2900, "and a third")];
    let job = harness.transcribe(&ann, &phone(0), &said).await;
    let (id, recording) = (job.new_conversation_ids[0], job.files[0].recording);
    let half = "UPDATE lines SET document = substr(document, 1, length(document) - 9) WHERE recording = ?1 AND start_ms = 1000";
    tamper(&folder, half, recording.bytes());
    assert!(harness.delete(&ann, id).await);
    assert_eq!(harness.forget(&ann, id, 2).await, 3);
    assert_eq!(store.due_deletions(harness.now(), &Page::first(10)).await.unwrap(), []);
    let db = Connection::open(path(&folder)).unwrap();
    let left = "SELECT count(*) FROM lines WHERE document LIKE '%secret%' OR document LIKE '%third%'";
    assert_eq!(db.query_row(left, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
    // Nothing of the line is left to read or to remove.
    assert_eq!(store.lines(&ann, recording, &[1000]).await.unwrap(), []);
    assert_eq!(store.damaged(10).await.unwrap(), []);
}

#[tokio::test]
async fn circular_redirects_end_without_result() {
    let (store, folder) = fresh();
    let (harness, ann) = (harness(&store), uid("ann"));
    let id: ConversationId = harness.transcribe(&ann, &phone(0), &[(0, 900, "here")]).await.new_conversation_ids[0];
    tamper(&folder, "UPDATE conversations SET merged_into = id WHERE id = ?1", id.0.as_bytes());
    assert_eq!(store.conversation(&LineQuery::of(&ann, id, Page::first(10))).await.unwrap().unwrap().lines.len(), 1);
}

#[tokio::test]
async fn overwritten_sqlite_pages_are_reported_as_corrupt() {
    let (store, folder) = fresh();
    let (_, jobs) = accept(&store, 1).await;
    drop(store);
    let mut bytes = std::fs::read(path(&folder)).unwrap();
    for page in root_pages(&folder, "offline_sync_jobs") {
        bytes[(page - 1) * 4096..page * 4096].fill(0x5A);
    }
    std::fs::write(path(&folder), bytes).unwrap();
    let store = SqliteStore::open(&path(&folder), 1).unwrap();
    assert_eq!(store.job(jobs[0].id).await.unwrap_err().kind, Kind::Corrupt);
}

/// The first pages of the table and its indexes, counted from one.
fn root_pages(folder: &tempfile::TempDir, table: &str) -> Vec<usize> {
    let db = Connection::open(path(folder)).unwrap();
    let mut statement = db.prepare("SELECT rootpage FROM sqlite_schema WHERE tbl_name = ?1 AND rootpage > 0").unwrap();
    let pages = statement.query_map([table], |row| row.get::<_, u32>(0)).unwrap();
    pages.map(|page| page.unwrap() as usize).collect()
}
