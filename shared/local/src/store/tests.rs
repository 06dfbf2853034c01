mod contract;
mod damage;
mod damaged;
mod documents;
mod forgetting;
mod merges;
mod opening;
mod query_plans;
mod races;
mod restart;
mod rewriting;
mod upgrading;

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use testkit::Harness;

use super::SqliteStore;

/// A store in a folder of its own, which is removed after the test.
fn fresh() -> (Arc<SqliteStore>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(&path(&folder), 2).unwrap()), folder)
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("store.db")
}

fn harness(store: &Arc<SqliteStore>) -> Harness {
    Harness::new(store.clone())
}
