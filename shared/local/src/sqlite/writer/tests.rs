use std::path::PathBuf;
use std::sync::mpsc;

use flow::Error;
use futures_util::future::{FutureExt, join_all};
use tokio::sync::oneshot;

use super::super::testing::{Database, add, words};
use super::*;

type Job = Box<dyn FnOnce(&Connection) -> rusqlite::Result<usize> + Send>;

/// Runs all steps in one group: the writer is kept busy until they all wait.
async fn together(writer: &Writer, jobs: Vec<Job>) -> Vec<Result<usize>> {
    let (begun, is_begun) = oneshot::channel();
    let (go, wait) = mpsc::channel::<()>();
    let busy = writer.call("test.busy", "", move |_| -> rusqlite::Result<_> {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    });
    let calls = async {
        is_begun.await.unwrap();
        // The first poll of each future puts its step into the queue.
        let calls = join_all(jobs.into_iter().map(|job| writer.call("test.add", "", job)));
        tokio::join!(biased; calls, async move { go.send(()).unwrap() }).0
    };
    let (busy, answers) = tokio::join!(busy, calls);
    busy.unwrap();
    answers
}

fn adds(word: &'static str) -> Job {
    Box::new(move |db| add(db, word))
}

fn kind(answer: &Result<usize>) -> Kind {
    answer.as_ref().unwrap_err().kind
}

fn words_of(path: PathBuf) -> Vec<String> {
    words(&Connection::open(path).unwrap()).unwrap()
}

#[tokio::test]
async fn write_is_durable_after_its_answer() {
    let database = Database::new();
    let writer = database.writer();
    writer.call("test.add", "", |db| add(db, "one")).await.unwrap();
    assert_eq!(database.words(), ["one"]);
}

#[tokio::test]
async fn steps_that_wait_together_are_committed_together() {
    let database = Database::new();
    let path = database.path.clone();
    let look: Job = Box::new(move |db| {
        assert_eq!((words(db)?, words_of(path)), (vec!["one".to_owned()], vec![]));
        Ok(0)
    });
    let answers = together(&database.writer(), vec![adds("one"), look, adds("two")]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(database.words(), ["one", "two"]);
}

#[tokio::test]
async fn failing_step_undoes_only_its_own_writes() {
    let database = Database::new();
    let fails: Job = Box::new(|db| add(db, "lost").and_then(|_| add(db, "one")));
    let answers = together(&database.writer(), vec![adds("one"), fails, adds("two")]).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(kind(&answers[1]), Kind::Conflict);
    assert_eq!(database.words(), ["one", "two"]);
}

#[tokio::test]
async fn panicking_step_undoes_only_its_own_writes() {
    let database = Database::new();
    let writer = database.writer();
    let panics: Job = Box::new(|db| add(db, "lost").map(|_| panic!("a mistake")));
    let answers = together(&writer, vec![adds("one"), panics, adds("two")]).await;
    assert!(answers[1].as_ref().unwrap_err().to_string().contains("a mistake"));
    assert_eq!(database.words(), ["one", "two"]);
    writer.call("test.add", "", |db| add(db, "three")).await.unwrap();
}

#[tokio::test]
async fn transaction_rolled_back_by_sqlite_fails_all_its_steps() {
    let database = Database::new();
    let writer = database.writer();
    let fills: Job = Box::new(|db| {
        db.pragma_update(None, "max_page_count", 10)?;
        add(db, &"x".repeat(1 << 20))
    });
    let answers = together(&writer, vec![adds("one"), fills, adds("two")]).await;
    assert_eq!(answers.iter().map(kind).collect::<Vec<_>>(), [Kind::Unavailable, Kind::Full, Kind::Unavailable]);
    assert!(database.words().is_empty());
    writer.call("test.add", "", |db| add(db, "three")).await.unwrap();
    assert_eq!(database.words(), ["three"]);
}

#[tokio::test]
async fn refused_commit_fails_all_steps_and_leaves_nothing() {
    let database = Database::new();
    let writer = database.writer();
    let owes: Job = Box::new(|db| {
        let table = "CREATE TABLE debts (word TEXT REFERENCES words DEFERRABLE INITIALLY DEFERRED)";
        db.execute_batch(&format!("{table}; INSERT INTO debts VALUES ('nobody')"))?;
        Ok(0)
    });
    let answers = together(&writer, vec![adds("one"), owes]).await;
    assert_eq!(answers.iter().map(kind).collect::<Vec<_>>(), [Kind::Unavailable; 2]);
    assert!(database.words().is_empty());
    writer.call("test.add", "", |db| add(db, "two")).await.unwrap();
}

#[tokio::test]
async fn write_is_unavailable_while_lock_is_held_elsewhere() {
    let database = Database::new();
    let writer = database.writer();
    writer.call("test.hurry", "", |db| db.busy_timeout(std::time::Duration::ZERO)).await.unwrap();
    let other = Connection::open(&database.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error: Error = writer.call("test.add", "this", |db| add(db, "one")).await.unwrap_err();
    assert_eq!(error.to_string(), "test.add is unavailable (this): database is locked");
    other.execute_batch("ROLLBACK").unwrap();
    writer.call("test.add", "", |db| add(db, "one")).await.unwrap();
}

#[tokio::test]
async fn cancelled_caller_does_not_stop_the_step() {
    let database = Database::new();
    let writer = database.writer();
    assert!(writer.call("test.add", "", |db| add(db, "one")).now_or_never().is_none());
    drop(writer);
    assert_eq!(database.words(), ["one"]);
}

#[tokio::test]
async fn dropped_writer_closes_database_properly() {
    let database = Database::new();
    let writer = database.writer();
    writer.call("test.add", "", |db| add(db, "one")).await.unwrap();
    let log = database.path.with_extension("db-wal");
    assert!(log.exists());
    drop(writer);
    assert!(!log.exists());
}
