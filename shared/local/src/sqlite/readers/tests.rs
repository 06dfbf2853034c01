use std::sync::mpsc;

use super::super::testing::{Database, add, words};
use super::*;

#[tokio::test]
async fn answered_write_is_visible_to_readers() {
    let database = Database::new();
    let (writer, readers) = (database.writer(), database.readers());
    for word in ["one", "two"] {
        writer.call("test.add", word, move |db| add(db, word)).await.unwrap();
        assert!(readers.call("test.words", "", words).await.unwrap().contains(&word.to_owned()));
    }
}

#[tokio::test]
async fn read_is_of_one_moment_and_blocks_nobody() {
    let database = Database::new();
    let (writer, readers) = (database.writer(), database.readers());
    let (begun, is_begun) = tokio::sync::oneshot::channel();
    let (go, wait) = mpsc::channel::<()>();
    let look = readers.call("test.words", "", move |db| -> rusqlite::Result<_> {
        let before = words(db)?;
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok((before, words(db)?))
    });
    let meanwhile = async {
        is_begun.await.unwrap();
        writer.call("test.add", "", |db| add(db, "one")).await.unwrap();
        let other = readers.call("test.words", "", words).await.unwrap();
        go.send(()).unwrap();
        other
    };
    let (look, other) = tokio::join!(look, meanwhile);
    assert_eq!(look.unwrap(), (vec![], vec![]));
    assert_eq!(other, ["one"]);
}

#[tokio::test]
async fn read_that_writes_fails() {
    let database = Database::new();
    let (_writer, readers) = (database.writer(), database.readers());
    assert_eq!(readers.call("test.add", "", |db| add(db, "one")).await.unwrap_err().kind, Kind::Unavailable);
    assert!(database.words().is_empty());
}

#[tokio::test]
async fn panicking_read_does_not_end_its_thread() {
    let database = Database::new();
    let (_writer, readers) = (database.writer(), database.readers());
    for _ in 0..3 {
        let look = readers.call("test.words", "", |db| words(db).map(|_| -> () { panic!("a mistake") }));
        assert_eq!(look.await.unwrap_err().kind, Kind::Unavailable);
    }
    assert!(readers.call("test.words", "", words).await.unwrap().is_empty());
}

#[test]
fn opening_readers_without_database_fails() {
    let error = Readers::open(&Database::new().path, 2).map(drop).unwrap_err();
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn read_that_takes_too_long_is_ended_and_the_next_one_is_not() {
    let database = Database::new();
    let _writer = database.writer();
    let readers = Readers::open_limited(&database.path, 1, Duration::from_millis(50)).unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let look = move |db: &Connection| db.query_row(endless, [], |row| row.get::<_, i64>(0));
    let error = readers.call("test.endless", "", look).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    let words = readers.call("test.words", "", |db: &Connection| crate::sqlite::testing::words(db)).await.unwrap();
    assert!(words.is_empty());
}
