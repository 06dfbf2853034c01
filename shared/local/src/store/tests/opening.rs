//! Which files are opened, and which are refused before anything in them is changed.

use std::fs;

use flow::ports::MaintenanceStore;
use rusqlite::Connection;
use testkit::build::{phone, uid};

use super::{fresh, harness, path};
use crate::sqlite::OpenError;
use crate::store::SqliteStore;

#[tokio::test]
async fn store_in_empty_folder_has_present_version() {
    let (store, folder) = fresh();
    store.ready().await.unwrap();
    let db = Connection::open(path(&folder)).unwrap();
    let version: usize = db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap() as usize;
    assert_eq!(version, crate::store::schema::MIGRATIONS.len());
}

#[tokio::test]
async fn store_of_newer_version_is_refused_and_not_changed() {
    let (store, folder) = fresh();
    harness(&store).accept(&uid("ann"), &[phone(0)]).await;
    drop(store);
    Connection::open(path(&folder)).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(path(&folder)).unwrap();
    assert!(matches!(SqliteStore::open(&path(&folder), 1), Err(OpenError::Newer { found: 99, .. })));
    assert!(matches!(SqliteStore::open_alongside(&path(&folder), 1), Err(OpenError::Newer { .. })));
    assert!(matches!(SqliteStore::open_read_only(&path(&folder), 1), Err(OpenError::Newer { .. })));
    assert_eq!(fs::read(path(&folder)).unwrap(), before);
}

#[tokio::test]
async fn command_does_not_create_a_missing_store() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteStore::open_alongside(&path(&folder), 1).is_err());
    assert!(SqliteStore::open_read_only(&path(&folder), 1).is_err());
    assert!(!path(&folder).exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(path(&folder), vec![b'x'; 8192]).unwrap();
    assert!(matches!(SqliteStore::open(&path(&folder), 1), Err(OpenError::Damaged { .. })));
}
