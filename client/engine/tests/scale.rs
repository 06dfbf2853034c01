//! What an engine with many recordings costs: start, status, memory, and the next batch.
//!
//! `cargo test -p engine --release --test scale -- --nocapture` prints the figures.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::domain::{FrameFormat, Uid};
use engine::ports::{Answer, Credentials, Http, HttpError, NoToken, Ports, Request, Token, UnknownDevice};
use engine::std_ports::{SystemClock, SystemDisk, SystemRandom, block_on};
use engine::{Config, Driver, Engine, Server, State, Stream};

/// Tells of the first request.
struct Offline(Sender<()>);

#[async_trait]
impl Http for Offline {
    async fn send(&self, _: Request) -> Result<Answer, HttpError> {
        let _ = self.0.send(());
        Err(HttpError::Connect("offline".to_owned()))
    }
}

#[async_trait]
impl Credentials for Offline {
    async fn token(&self, _: &Uid, _: bool) -> Result<Token, NoToken> {
        Ok(Token::new("token"))
    }
}

fn open(folder: &Path) -> (Engine, Driver, Receiver<()>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let offline = Arc::new(Offline(sender));
    let mut config = Config::new(folder, Server::parse("https://afterword.example").unwrap());
    config.reserve_bytes = 0;
    let ports = Ports {
        clock: Arc::new(SystemClock::new()),
        disk: Arc::new(SystemDisk),
        http: Arc::clone(&offline) as _,
        credentials: offline,
        device: Arc::new(UnknownDevice),
        random: Arc::new(SystemRandom),
    };
    let (engine, driver) = Engine::open(config, ports).unwrap();
    (engine, driver, receiver)
}

/// Copies the only row of the index until there are so many pending ones and so many synced ones.
fn fill(folder: &Path, pending: u64, synced: u64) {
    let connection = rusqlite::Connection::open(folder.join("index.db")).unwrap();
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('chunk')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let copied = |column: &String| match column.as_str() {
        "id" => "NULL".to_owned(),
        "name" => "'audio_phone_opus_16000_1_fs160_' || (1700000000 + n) || '.bin'".to_owned(),
        "captured_at" => "(1700000000 + n) * 1000".to_owned(),
        "session" => "'session-' || (n / 10)".to_owned(),
        "state" => format!("CASE WHEN n < {pending} THEN 'pending' ELSE 'synced' END"),
        "confirmed_at" => format!("CASE WHEN n < {pending} THEN NULL ELSE (1700000000 + n) * 1000 END"),
        _ => column.clone(),
    };
    let values: Vec<_> = columns.iter().map(copied).collect();
    let sql = format!(
        "WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < {}) \
         INSERT INTO chunk SELECT {} FROM chunk, number WHERE chunk.id = 1",
        pending + synced,
        values.join(", ")
    );
    connection.execute(&sql, []).unwrap();
}

/// The memory of this process in MiB, where the system tells it.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / 1024.0 / 1024.0
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

/// The times for starting, for a status and for a page of the list.
fn measure(pending: u64, synced: u64) -> (Duration, Duration, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _driver, _) = open(folder.path());
    engine.sign_in(Uid::new("anna").unwrap()).unwrap();
    let stream = Stream { format: FrameFormat::BARE, device: "phone".to_owned(), session: "s".to_owned() };
    let mut recorder = engine.record(stream).unwrap();
    recorder.record(b"frame", false).unwrap();
    recorder.finalize().unwrap();
    drop((recorder, engine, _driver));
    fill(folder.path(), pending, synced);
    let ((engine, driver, requests), start) = timed(|| open(folder.path()));
    let (status, status_time) = timed(|| engine.status().unwrap());
    assert_eq!(status.queue, pending + 1);
    let (page, list) = timed(|| engine.list(Some(State::Pending), None, 100).unwrap());
    assert_eq!(page.len(), 100);
    // A pass looks at everything that is due, and then asks the server.
    let closing = engine.clone();
    let runs = std::thread::spawn(move || block_on(driver.run()));
    let (asked, pass) = timed(|| requests.recv_timeout(Duration::from_secs(20)));
    assert!(asked.is_ok() && pass < Duration::from_secs(1), "{pass:?}");
    closing.close();
    // Housekeeping has a million files to delete: it ends between two pages.
    let ((), closed) = timed(|| runs.join().unwrap());
    assert!(closed < Duration::from_secs(5), "{closed:?}");
    let memory = resident();
    println!(
        "{pending} pending, {synced} synced: start {start:?}, status {status_time:?}, list {list:?}, first request {pass:?}, {memory:.0} MiB"
    );
    assert!(memory < 100.0, "{memory} MiB");
    (start, status_time, list)
}

#[test]
fn ten_thousand_pending_recordings_start_within_a_second_and_show_within_a_tenth() {
    let (start, status, list) = measure(10_000, 0);
    assert!(start < Duration::from_secs(1), "{start:?}");
    assert!(status < Duration::from_millis(100) && list < Duration::from_millis(100), "{status:?} {list:?}");
}

#[test]
fn million_known_recordings_cost_at_most_twice_as_much() {
    let (start, status, list) = measure(10_000, 1_000_000);
    assert!(start < Duration::from_secs(2), "{start:?}");
    assert!(status < Duration::from_millis(200) && list < Duration::from_millis(200), "{status:?} {list:?}");
}

#[test]
fn recording_opus_costs_below_a_hundredth_of_a_core() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _driver, _) = open(folder.path());
    engine.sign_in(Uid::new("anna").unwrap()).unwrap();
    let stream = Stream { format: FrameFormat::BARE, device: "phone".to_owned(), session: "s".to_owned() };
    let mut recorder = engine.record(stream).unwrap();
    // Ten minutes of audio: without the wait for the disk, which costs no processor.
    let (_, took) = timed(|| {
        for number in 0..60_000_u32 {
            recorder.record(&number.to_le_bytes().repeat(10), false).unwrap();
        }
    });
    println!("ten minutes of Opus: {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}
