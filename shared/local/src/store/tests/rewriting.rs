//! Only what changed is written, because the whole server waits for the disk.

use rusqlite::Connection;
use testkit::Harness;
use testkit::build::{phone, speech, uid};

use super::{fresh, harness, path};

const TABLES: [&str; 4] = ["recordings", "lines", "conversations", "usage_hours"];

/// Records every row of the table that is written from now on.
fn watch(db: &Connection, table: &str) {
    let sql = format!(
        "CREATE TABLE written_{table} (n INTEGER PRIMARY KEY);
         CREATE TRIGGER watch_{table} AFTER UPDATE ON {table} BEGIN INSERT INTO written_{table} VALUES (NULL); END;"
    );
    db.execute_batch(&sql).unwrap();
}

fn written(db: &Connection, table: &str) -> u32 {
    db.query_row(&format!("SELECT count(*) FROM written_{table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn repeated_operations_rewrite_no_recording_and_no_line() {
    let (store, folder) = fresh();
    let harness: Harness = harness(&store);
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 0, &[(0, "once")]).await;
    let db = Connection::open(path(&folder)).unwrap();
    TABLES.iter().for_each(|table| watch(&db, table));
    harness.plan(&job, 0, speech(&[(0, 5000)])).await;
    harness.say(&job, 0, &[(0, "twice")]).await;
    assert_eq!(TABLES.map(|table| written(&db, table)), [0, 0, 0, 0]);
    harness.say(&job, 0, &[(2000, "more")]).await;
    assert_eq!(TABLES.map(|table| written(&db, table)), [1, 1, 1, 1]);
}
