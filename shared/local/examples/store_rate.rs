//! Measures how many steps a second the store makes on this disk, compared to what the disk itself can
//! do: `cargo run --release -p local --example store_rate [folder] [jobs]`.

#![allow(clippy::unwrap_used, reason = "a measurement ends where something fails")]
#![allow(clippy::disallowed_methods, reason = "it measures durations")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::placement::{Answer, Group};
use domain::{Command, JobId, Recording, Rules, Uid};
use flow::ports::{At, Created, JobStore, Stepped, Written};
use local::store::SqliteStore;
use testkit::build::{after, batch_as, job_id, line_for, nonce, phone, plan, speech, uid};

/// The number of store operations of a job, from its acceptance to its clean-up.
const STEPS: u64 = 10;
const SAID: &str = "a sentence of about as many words as people say in one go before they stop for breath";

#[tokio::main(worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let scratch = tempfile::tempdir().unwrap();
    let folder = args.next().map_or(scratch.path().to_owned(), Into::into);
    let jobs: u64 = args.next().map_or(3000, |jobs| jobs.parse().unwrap());
    println!("the disk alone, full commits one by one: {:>6.0} /s", commits(&folder.join("rate-disk.db")));
    for in_flight in [1, 64] {
        let path = folder.join(format!("rate-{in_flight}.db"));
        let jobs = if in_flight == 1 { jobs / 4 } else { jobs };
        let took = run(&path, jobs, in_flight).await;
        let steps = (jobs * STEPS) as f64 / took.as_secs_f64();
        let rate = steps / STEPS as f64;
        println!("{in_flight:>3} jobs in flight: {steps:>6.0} steps/s, {rate:>5.0} jobs/s (each {STEPS} steps)");
    }
}

/// Writes single rows, one after the other, each with its own commit.
fn commits(path: &Path) -> f64 {
    const COMMITS: u32 = 2000;
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER)").unwrap();
    let began = Instant::now();
    for n in 0..COMMITS {
        db.prepare_cached("INSERT INTO t VALUES (?1)").unwrap().execute([n]).unwrap();
    }
    f64::from(COMMITS) / began.elapsed().as_secs_f64()
}

async fn run(path: &Path, jobs: u64, in_flight: u64) -> Duration {
    let store = Arc::new(SqliteStore::open(path, 2).unwrap());
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let work = |_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= jobs {
                    break;
                }
                job(&store, n).await;
            }
        })
    };
    for task in (0..in_flight).map(work).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    began.elapsed()
}

struct Worker<'a> {
    store: &'a SqliteStore,
    rules: Rules,
    id: JobId,
}

/// A recording with two segments, from its upload to its clean-up.
async fn job(store: &SqliteStore, n: u64) {
    let user: Uid = uid(&format!("user-{}", n % 500));
    let worker = Worker { store, rules: Rules::default(), id: job_id(n) };
    let batch = batch_as(worker.id, &user, &[phone((n / 500) as i64 * 60)]);
    let created = store.create_job(&batch, worker.at()).await.unwrap();
    assert!(matches!(created, Created::New { .. }));
    worker.step(Command::Enqueued { number: 1, schedule: None }).await;
    worker.step(Command::Claim { owner: nonce(n) }).await;
    let job = store.job(worker.id).await.unwrap().unwrap();
    let plan = plan(&job, 0, speech(&[(500, 14_000), (16_000, 29_000)]));
    let (_, recording): (_, Recording) = written(store.plan_file(worker.id, &plan, worker.at()).await.unwrap());
    let lines = [500, 16_000].map(|start| line_for(&recording, start, SAID)).to_vec();
    written(store.store_texts(worker.id, 1, lines, worker.at()).await.unwrap());
    let group = Group { fence: 1, index: 0, answers: vec![(500, Answer::Text), (16_000, Answer::Text)] };
    written(store.place(worker.id, &group, worker.at()).await.unwrap());
    worker.step(Command::Finish { fence: 1 }).await;
    worker.step(Command::PushDone { fence: 1 }).await;
    worker.step(Command::AudioGone { fence: 1 }).await;
    worker.step(Command::CleanedUp { fence: 1 }).await;
}

impl Worker<'_> {
    fn at(&self) -> At<'_> {
        At { now: after(1), rules: &self.rules }
    }

    async fn step(&self, command: Command) {
        let stepped = self.store.step(self.id, &command, self.at()).await.unwrap();
        assert!(matches!(stepped, Stepped::Done { .. }), "{stepped:?}");
    }
}

fn written<T>(written: Written<T>) -> T {
    match written {
        Written::Done(done) => done,
        Written::Fenced(why) => panic!("{why}"),
    }
}
