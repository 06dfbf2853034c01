//! A queue in a file, a real worker on a free port whose answers the test gives, and a clock that the
//! test moves.

mod contract;
mod damage;
mod delivery;
mod faults;
mod limits;
mod names;
mod restart;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use domain::Timestamp;
use flow::ports::{Clock, NewTask, Queue, TaskBody};
use http::{HeaderMap, Response, StatusCode};
use secrecy::SecretString;
use tempfile::TempDir;
use testkit::build::{job_id, task, uid};
use testkit::{SeededRandom, TestClock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{LocalQueue, QueueSettings};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const SECRET: &str = "0123456789-0123456789-0123456789";
/// In real time: a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Response<String>;

/// One request to the worker, which waits for the test's answer.
struct Call {
    headers: HeaderMap,
    body: String,
    at: Timestamp,
    reply: oneshot::Sender<Answer>,
}

impl Call {
    fn answer(self, status: u16) -> u64 {
        self.answer_with(status, None)
    }

    fn answer_with(self, status: u16, retry_after: Option<&str>) -> u64 {
        let number = self.number();
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(wait) = retry_after {
            response.headers_mut().insert("retry-after", wait.parse().unwrap());
        }
        // The client may have stopped waiting.
        drop(self.reply.send(response));
        number
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn task(&self) -> TaskBody {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `n` of [`new`].
    fn number(&self) -> u64 {
        self.task().dispatch.into()
    }
}

struct Site {
    folder: TempDir,
    clock: Arc<TestClock>,
    url: String,
    calls: mpsc::UnboundedReceiver<Call>,
}

type Worker = (mpsc::UnboundedSender<Call>, Arc<TestClock>);

async fn receive(State((calls, clock)): State<Worker>, headers: HeaderMap, body: String) -> Answer {
    let (reply, answer) = oneshot::channel();
    drop(calls.send(Call { headers, body, at: clock.now(), reply }));
    // A test that drops its call never answers.
    match answer.await {
        Ok(answer) => answer,
        Err(_) => std::future::pending().await,
    }
}

impl Site {
    async fn new() -> Self {
        let clock = TestClock::at(NOW);
        let (sender, calls) = mpsc::unbounded_channel();
        let routes = Router::new().route("/v2/sync/process", post(receive)).with_state((sender, clock.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2/sync/process", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, routes).await });
        Self { folder: tempfile::tempdir().unwrap(), clock, url, calls }
    }

    fn settings(&self) -> QueueSettings {
        QueueSettings::new(&self.url, SecretString::from(SECRET))
    }

    fn open(&self) -> Arc<LocalQueue> {
        self.open_with(self.settings())
    }

    fn open_with(&self, settings: QueueSettings) -> Arc<LocalQueue> {
        let (path, random) = (self.folder.path().join("queue.db"), Arc::new(SeededRandom::new(1)));
        Arc::new(LocalQueue::open(&path, settings, self.clock.clone(), random).unwrap())
    }

    async fn call(&mut self) -> Call {
        soon("a call", self.calls.recv()).await.unwrap()
    }

    /// Asserts that only a task that is due now comes: any other due task would have come before it.
    async fn assert_nothing_due(&mut self, queue: &LocalQueue, probe: u64) {
        queue.enqueue(new(probe)).await.unwrap();
        assert_eq!(self.call().await.answer(200), probe);
    }
}

/// A dispatcher that runs beside the test.
struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start(queue: &Arc<LocalQueue>) -> Running {
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(queue.clone().deliver(shutdown.clone()));
    Running { shutdown, task }
}

impl Running {
    /// Returns when all outcomes of answered deliveries are written.
    async fn stop(self) {
        self.shutdown.cancel();
        soon("the end of the dispatcher", self.task).await.unwrap();
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

fn new(n: u64) -> NewTask {
    task(job_id(1), &uid("ann"), u32::try_from(n).unwrap())
}

fn new_at(n: u64, schedule: Timestamp) -> NewTask {
    NewTask { schedule: Some(schedule), ..new(n) }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    due: Option<i64>,
    retries: u32,
    answers: u32,
}

async fn row(queue: &LocalQueue, n: u64) -> Row {
    let name = new(n).name().to_string();
    let sql = "SELECT due, retries, answers FROM tasks WHERE name = ?1";
    let look = move |db: &rusqlite::Connection| {
        db.query_row(sql, [&name], |row| Ok(Row { due: row.get(0)?, retries: row.get(1)?, answers: row.get(2)? }))
    };
    queue.rows.call("test", "", look).await.unwrap()
}

/// Waits until the row is as wanted; each look is one step of the writer.
async fn until(queue: &LocalQueue, n: u64, wanted: impl Fn(&Row) -> bool) -> Row {
    let look = async {
        loop {
            let row = row(queue, n).await;
            if wanted(&row) {
                return row;
            }
        }
    };
    soon("the row", look).await
}

async fn until_ended(queue: &LocalQueue, n: u64) {
    until(queue, n, |row| row.due.is_none()).await;
}

/// How many rows meet the condition.
async fn count(queue: &LocalQueue, which: &str) -> u32 {
    let sql = format!("SELECT count(*) FROM tasks WHERE {which}");
    let look = move |db: &rusqlite::Connection| db.query_row(&sql, [], |row| row.get::<_, u32>(0));
    queue.rows.call("test", "", look).await.unwrap()
}
