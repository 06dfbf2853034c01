//! Data of one version opens in the next: documents that the first version wrote, and documents with
//! fields of a later one.

use domain::{Conversation, Job, Line, Recording};
use flow::ports::Device;
use rusqlite::Connection;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use testkit::build::{batch, conversation_id, device, phone, uid};

use super::{fresh, harness, path};

/// Frozen when the first version is released. A document that no longer opens needs a default in
/// `domain`, or a migration.
const FIRST: &str = include_str!("documents_of_1.json");

fn reads<T: DeserializeOwned>(table: &str, document: &Value) {
    if let Err(error) = serde_json::from_value::<T>(document.clone()) {
        panic!("{table}: {error}");
    }
}

fn all_read(documents: &Map<String, Value>) {
    reads::<Job>("offline_sync_jobs", &documents["offline_sync_jobs"]);
    reads::<Recording>("recordings", &documents["recordings"]);
    reads::<Line>("lines", &documents["lines"]);
    reads::<Conversation>("conversations", &documents["conversations"]);
    reads::<Device>("devices", &documents["devices"]);
}

#[test]
fn documents_of_the_first_version_open() {
    all_read(&serde_json::from_str(FIRST).unwrap());
}

#[test]
fn unknown_fields_are_ignored_and_missing_optional_ones_are_empty() {
    let mut documents: Map<String, Value> = serde_json::from_str(FIRST).unwrap();
    for document in documents.values_mut() {
        let fields = document.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        fields.insert("a_field_of_a_later_version".to_owned(), Value::Bool(true));
    }
    all_read(&documents);
}

#[tokio::test]
async fn every_table_contains_the_documents_read_from_it() {
    let (store, folder) = fresh();
    let (harness, ann) = (harness(&store), uid("ann"));
    let mut batch = batch(&ann, &[phone(0)]);
    (batch.conversation_id, batch.language) = (Some(conversation_id(7)), Some("en".to_owned()));
    harness.transcribe_batch(&batch, &[&[(0, 900, "one"), (2000, 3000, "two")]]).await;
    flow::ports::DeviceStore::put_device(&*store, &device(&ann, "pixel", "token")).await.unwrap();
    let db = Connection::open(path(&folder)).unwrap();
    let mut written = Map::new();
    for table in ["offline_sync_jobs", "recordings", "lines", "conversations", "devices"] {
        let sql = format!("SELECT document FROM {table} LIMIT 1");
        let document: String = db.query_row(&sql, [], |row| row.get(0)).unwrap();
        written.insert(table.to_owned(), serde_json::from_str(&document).unwrap());
    }
    all_read(&written);
}
