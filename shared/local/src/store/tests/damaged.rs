//! A damaged row affects nothing else: the suite of every store whose documents can be damaged, and
//! what an operator sees and removes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Command;
use flow::ports::{DeviceStore, JobQuery, JobStore, Page};
use rusqlite::{Connection, params};
use tempfile::TempDir;
use testkit::build::{phone, speech, uid};
use testkit::contract::archive::ArchivedStore;
use testkit::contract::damage::{DamagedStore, Document};

use super::{fresh, harness, path};
use crate::store::SqliteStore;
use crate::store::damaged::{Damaged, Table};

struct Tampered {
    store: Arc<SqliteStore>,
    path: PathBuf,
    _folder: TempDir,
}

impl Tampered {
    fn new() -> Self {
        let (store, folder) = fresh();
        Self { store, path: path(&folder), _folder: folder }
    }

    fn replace(&self, column: &str, row: &str, params: &[&dyn rusqlite::ToSql], change: &dyn Fn(Vec<u8>) -> Vec<u8>) {
        let db = Connection::open(&self.path).unwrap();
        let read = format!("SELECT CAST({column} AS BLOB) FROM {row}");
        let old: Vec<u8> = db.query_row(&read, params, |row| row.get(0)).unwrap();
        let (table, which) = row.split_once(' ').unwrap();
        let kind = match column {
            "plan" => "BLOB",
            "words" => "INTEGER",
            _ => "TEXT",
        };
        let write = format!("UPDATE {table} SET {column} = CAST(?9 AS {kind}) {which}");
        let mut statement = db.prepare(&write).unwrap();
        for (at, param) in params.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, param).unwrap();
        }
        statement.raw_bind_parameter(9, change(old)).unwrap();
        assert_eq!(statement.raw_execute().unwrap(), 1, "{row}");
    }
}

#[async_trait]
impl DamagedStore for Tampered {
    fn store(&self) -> Arc<dyn ArchivedStore> {
        self.store.clone()
    }

    async fn change(&self, document: &Document, change: &(dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync)) {
        let by_id = "WHERE uid = ?1 AND id = ?2";
        match document {
            Document::Job(id) => {
                self.replace("document", "offline_sync_jobs WHERE id = ?1", params![id.0.as_bytes()], change);
            }
            Document::Recording(uid, id) => {
                self.replace("document", &format!("recordings {by_id}"), params![uid.as_str(), id.bytes()], change);
            }
            Document::Plan(uid, id) => {
                self.replace("plan", &format!("recordings {by_id}"), params![uid.as_str(), id.bytes()], change);
            }
            Document::Line(uid, recording, start_ms) => {
                let row = "lines WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
                self.replace("document", row, params![uid.as_str(), recording.bytes(), start_ms], change);
            }
            Document::Conversation(uid, id) => {
                let params = params![uid.as_str(), id.0.as_bytes()];
                self.replace("document", &format!("conversations {by_id}"), params, change);
            }
            Document::Usage(uid, hour) => {
                let row = "usage_hours WHERE uid = ?1 AND hour = ?2";
                self.replace("words", row, params![uid.as_str(), hour.millis()], change);
            }
            Document::Device(uid, id) => {
                self.replace("document", &format!("devices {by_id}"), params![uid.as_str(), id.as_str()], change);
            }
        }
    }
}

testkit::damage_contract!(async || Arc::new(Tampered::new()));

/// A damaged document in each table of a store that is otherwise intact.
async fn one_of_each(site: &Tampered) -> Vec<(Table, String)> {
    let (harness, ann) = (harness(&site.store), uid("ann"));
    let job = harness.transcribe(&ann, &phone(0), &[(0, 900, "one"), (2000, 2900, "two")]).await;
    harness.transcribe(&ann, &phone(9000), &[(0, 900, "whole")]).await;
    site.store.put_device(&testkit::build::device(&ann, "phone", "token")).await.unwrap();
    let (recording, conversation, hour) = (job.files[0].recording, job.new_conversation_ids[0], harness.now().hour());
    let documents = [
        (Document::Job(job.id), Table::Jobs, job.id.to_string()),
        (Document::Recording(ann.clone(), recording), Table::Recordings, recording.to_string()),
        (Document::Line(ann.clone(), recording, 2000), Table::Lines, format!("{recording}-2000")),
        (Document::Conversation(ann.clone(), conversation), Table::Conversations, conversation.to_string()),
        (Document::Usage(ann.clone(), hour), Table::UsageHours, hour.to_string()),
        (Document::Device(ann, testkit::build::device_id("phone")), Table::Devices, "phone".to_owned()),
    ];
    let mut expected = Vec::new();
    for (document, table, id) in documents {
        let bytes: &[u8] = if table == Table::UsageHours { b"-1" } else { b"{" };
        site.change(&document, &|_| bytes.to_vec()).await;
        expected.push((table, id));
    }
    expected
}

#[tokio::test]
async fn damaged_documents_are_shown_and_removed_one_by_one() {
    let site = Tampered::new();
    let expected = one_of_each(&site).await;
    let found = site.store.damaged(100).await.unwrap();
    let shown: Vec<_> = found.iter().map(|one| (one.table, one.id.clone())).collect();
    assert_eq!(shown, expected);
    assert!(found.iter().all(|one| one.uid == "ann" && !one.why.is_empty() && !one.newer), "{found:?}");
    assert_eq!(site.store.damaged(2).await.unwrap().len(), 2);
    for (left, one) in (0..expected.len()).rev().zip(&found) {
        assert!(site.store.remove_damaged(one).await.unwrap(), "{one:?}");
        assert!(!site.store.remove_damaged(one).await.unwrap(), "it is gone: {one:?}");
        assert_eq!(site.store.damaged(100).await.unwrap().len(), left);
    }
    assert_eq!(
        site.store.jobs(&JobQuery::all(&uid("ann"), Page::first(10), harness(&site.store).now())).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn readable_and_newer_documents_are_not_removed() {
    let site = Tampered::new();
    let harness = harness(&site.store);
    let (whole, newer) =
        (harness.accept(&uid("ann"), &[phone(0)]).await, harness.accept(&uid("ann"), &[phone(60)]).await);
    let mark = |_| br#"{"uid":7,"document_format":2}"#.to_vec();
    site.change(&Document::Job(newer.id), &mark).await;
    let found = site.store.damaged(10).await.unwrap();
    assert!(found.len() == 1 && found[0].newer && found[0].why.contains("newer version"), "{found:?}");
    assert!(!site.store.remove_damaged(&found[0]).await.unwrap());
    let whole = Damaged { id: whole.id.to_string(), newer: false, ..found[0].clone() };
    assert!(!site.store.remove_damaged(&whole).await.unwrap());
    assert!(site.store.job(harness.job(whole.id.parse().unwrap()).await.id).await.unwrap().is_some());
}

/// A job whose recording was removed continues: its first pass runs again.
#[tokio::test]
async fn job_with_removed_recording_continues() {
    let site = Tampered::new();
    let harness = harness(&site.store);
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    site.change(&Document::Recording(uid("ann"), job.files[0].recording), &|_| Vec::new()).await;
    let found = site.store.damaged(10).await.unwrap();
    assert!(site.store.remove_damaged(&found[0]).await.unwrap());
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900)])).await;
    harness.say(&job, 0, &[(0, "said")]).await;
    harness.pass(Duration::from_secs(1));
    let done = harness.done(job.id, Command::Finish { fence: job.lease.fence }).await;
    assert_eq!(done.status, domain::Status::Completed);
}

#[tokio::test]
async fn search_ends_with_the_limit_and_reads_no_further_tables() {
    let tampered = Tampered::new();
    let db = Connection::open(&tampered.path).unwrap();
    // Going over all row ids up to that of the conversation would take days.
    db.execute_batch(
        "INSERT INTO offline_sync_jobs (id, uid, status, created_at, oldest_captured_at, document)
             VALUES (zeroblob(16), 'ann', 'queued', 0, 0, 'not JSON');
         INSERT INTO conversations (rowid, uid, id, state, stream, started_at, document)
             VALUES (1 << 50, 'ann', zeroblob(16), 'live', '', 0, 'not JSON');",
    )
    .unwrap();
    let search = tokio::time::timeout(Duration::from_secs(20), tampered.store.damaged(1));
    let found = search.await.expect("the search goes on after its limit").unwrap();
    assert_eq!(found.len(), 1);
}
