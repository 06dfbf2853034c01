//! The list of indexes: the file that is checked in has what the queries need, and no index grows with
//! time unless it must.

use serde_json::Value;

use crate::firestore::indexes::{SHAPES, as_json};
use crate::firestore::query::{Shape, Towards};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/firestore.indexes.json");
/// If set, the file is written anew.
const UPDATE: &str = "AFTERWORD_UPDATE";

#[test]
fn checked_in_index_list_matches_code() {
    let now = serde_json::to_string_pretty(&as_json()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(FILE, &now).unwrap();
    }
    let checked_in = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(checked_in == now, "infra/firestore.indexes.json is out of date: run this test with {UPDATE}=1");
}

fn checked_in() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

fn order(towards: Towards) -> &'static str {
    if towards == Towards::Later { "ASCENDING" } else { "DESCENDING" }
}

fn scope(shape: &Shape) -> &'static str {
    if shape.of_everybody { "COLLECTION_GROUP" } else { "COLLECTION" }
}

/// Whether the file has an index that serves the shape. This is a second implementation of the
/// service's rule.
fn is_served(file: &Value, shape: &Shape) -> bool {
    let fields: Vec<_> = shape.equal.iter().chain(shape.sorted_by).copied().collect();
    let items = |key: &str| file[key].as_array().unwrap().iter();
    match fields[..] {
        [] => true,
        [field] => items("fieldOverrides").any(|entry| {
            let has = |index: &Value| {
                index["queryScope"] == scope(shape)
                    && (shape.sorted_by.is_empty() || index["order"] == order(shape.towards))
            };
            (&entry["collectionGroup"], &entry["fieldPath"]) == (&shape.collection.into(), &field.into())
                && entry["indexes"].as_array().unwrap().iter().any(has)
        }),
        _ => items("indexes").any(|index| {
            let sorted = shape.equal.len();
            let fits = |(at, (entry, field)): (usize, (&Value, &&str))| {
                entry["fieldPath"] == **field && (at < sorted || entry["order"] == order(shape.towards))
            };
            let entries = index["fields"].as_array().unwrap();
            index["collectionGroup"] == shape.collection
                && index["queryScope"] == scope(shape)
                && entries.len() == fields.len()
                && entries.iter().zip(&fields).enumerate().all(fits)
        }),
    }
}

#[test]
fn every_query_is_served_by_a_checked_in_index() {
    let file = checked_in();
    for shape in SHAPES {
        assert!(is_served(&file, shape), "{}", shape.name);
    }
    let unserved = Shape { name: "of a new feature", equal: &["uid", "due_at"], ..*SHAPES[0] };
    assert!(!is_served(&file, &unserved), "and the check can tell");
}

#[test]
fn query_names_are_unique() {
    let mut names: Vec<_> = SHAPES.iter().map(|shape| shape.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SHAPES.len());
}

#[test]
fn only_queried_fields_have_single_indexes_and_only_jobs_and_checkpoints_expire() {
    let file = checked_in();
    let overrides = file["fieldOverrides"].as_array().unwrap();
    let name = |entry: &Value| format!("{}.{}", entry["collectionGroup"], entry["fieldPath"]).replace('"', "");
    let indexed = overrides.iter().filter(|entry| !entry["indexes"].as_array().unwrap().is_empty());
    let indexed: Vec<_> = indexed.map(name).collect();
    let queried = ["status", "waiting_for", "due_at"].map(|field| format!("offline_sync_jobs.{field}"));
    assert_eq!(indexed[..3], queried);
    assert_eq!(indexed[3..], ["conversations.due_at"]);
    let expire: Vec<_> = overrides.iter().filter(|entry| entry["ttl"] == true).map(name).collect();
    assert_eq!(expire, ["offline_sync_jobs.expires_at", "checkpoints.expires_at"]);
}
