//! Only what changed is written: the disk is what the whole server waits for.

use rusqlite::Connection;
use testkit::Scene;
use testkit::build::{phone, speech, uid};

use super::{fresh, path, scene};

const TABLES: [&str; 4] = ["recordings", "lines", "conversations", "usage_hours"];

/// Notes every row of the table that is written from now on.
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
async fn what_is_repeated_rewrites_no_recording_and_no_line() {
    let (store, folder) = fresh();
    let scene: Scene = scene(&store);
    let job = scene.accept(&uid("ann"), &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    scene.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    scene.say(&job, 0, &[(0, "once")]).await;
    let db = Connection::open(path(&folder)).unwrap();
    TABLES.iter().for_each(|table| watch(&db, table));
    scene.plan(&job, 0, speech(&[(0, 5000)])).await;
    scene.say(&job, 0, &[(0, "twice")]).await;
    assert_eq!(TABLES.map(|table| written(&db, table)), [0, 0, 0, 0]);
    scene.say(&job, 0, &[(2000, "more")]).await;
    assert_eq!(TABLES.map(|table| written(&db, table)), [1, 1, 1, 1]);
}
