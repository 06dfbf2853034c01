//! Measures how many deliveries a second the queue makes to a worker that does nothing, and how soon
//! after its creation a task is delivered.
//!
//! `cargo run --release -p local --example queue_rate -- [tasks] [callers]`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use domain::{JobId, Uid};
use flow::ports::{NewTask, Queue, Random, TaskBody};
use futures_util::future::join_all;
use local::queue::{LocalQueue, QueueSettings};
use secrecy::SecretString;
use system::{SystemClock, SystemRandom};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

type Arrivals = UnboundedReceiver<(TaskBody, Instant)>;

#[tokio::main]
async fn main() {
    let number = |n: usize, default| std::env::args().nth(n).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (tasks, callers) = (number(1, 20_000), number(2, 64));
    let folder = tempfile::tempdir().expect("a folder for the database");
    let (url, mut arrivals) = worker().await;
    let queue = open(&folder.path().join("queue.db"), url);
    let shutdown = CancellationToken::new();
    let dispatcher = tokio::spawn(queue.clone().deliver(shutdown.clone()));

    one_by_one(&queue, &mut arrivals, 500).await;
    all_together(&queue, &mut arrivals, tasks, callers).await;
    let stored = waiting(&queue, tasks, callers).await;
    drain(&mut arrivals, stored).await;

    shutdown.cancel();
    dispatcher.await.expect("the dispatcher does not panic");
}

fn open(path: &Path, url: String) -> Arc<LocalQueue> {
    let secret = SecretString::from("0123456789-0123456789-0123456789");
    let settings = QueueSettings { max_per_second: 1_000_000, ..QueueSettings::new(url, secret) };
    let queue = LocalQueue::open(path, settings, Arc::new(SystemClock), Arc::new(SystemRandom));
    Arc::new(queue.expect("a new database"))
}

async fn worker() -> (String, Arrivals) {
    async fn receive(State(seen): State<UnboundedSender<(TaskBody, Instant)>>, Json(body): Json<TaskBody>) {
        drop(seen.send((body, now())));
    }
    let (seen, arrivals) = unbounded_channel();
    let routes = Router::new().route("/v2/sync/process", post(receive)).with_state(seen);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async { axum::serve(listener, routes).await });
    (format!("http://{address}/v2/sync/process"), arrivals)
}

#[expect(clippy::disallowed_methods, reason = "this measures the passing of real time")]
fn now() -> Instant {
    Instant::now()
}

fn task(dispatch: usize) -> NewTask {
    let uid = Uid::new("ann").expect("a valid id");
    let body = TaskBody { job_id: JobId(SystemRandom.uuid()), uid, dispatch: dispatch as u32 };
    NewTask { body, schedule: None, traceparent: None }
}

async fn one_by_one(queue: &LocalQueue, arrivals: &mut Arrivals, count: usize) {
    let (mut made, mut came) = (Vec::new(), Vec::new());
    for n in 0..count {
        let begun = now();
        queue.enqueue(task(n)).await.expect("it is enqueued");
        let enqueued = now();
        let (_, arrived) = arrivals.recv().await.expect("it comes");
        made.push(enqueued - begun);
        came.push(arrived.saturating_duration_since(enqueued));
    }
    println!("one by one:    enqueue {}, from then to the worker {}", spread(made), spread(came));
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    format!("p50 {:?} p99 {:?}", at(50), at(99))
}

async fn enqueue_all(queue: &LocalQueue, tasks: usize, callers: usize, schedule: Option<domain::Timestamp>) {
    let call = async |caller: usize| {
        for n in (caller..tasks).step_by(callers) {
            queue.enqueue(NewTask { schedule, ..task(n) }).await.expect("it is enqueued");
        }
    };
    join_all((0..callers).map(call)).await;
}

async fn all_together(queue: &LocalQueue, arrivals: &mut Arrivals, tasks: usize, callers: usize) {
    let begun = now();
    let arrive = async {
        for _ in 0..tasks {
            arrivals.recv().await.expect("it comes");
        }
    };
    tokio::join!(enqueue_all(queue, tasks, callers, None), arrive);
    report("made and delivered", tasks, begun);
}

/// Creates tasks that are all due at one moment soon.
async fn waiting(queue: &LocalQueue, tasks: usize, callers: usize) -> usize {
    use flow::ports::Clock;
    let begun = now();
    // The tasks are due late enough that all exist by then; otherwise counting would begin too late.
    let due = SystemClock.now() + Duration::from_secs(2) + Duration::from_micros(500) * tasks as u32;
    enqueue_all(queue, tasks, callers, Some(due)).await;
    report("made to wait", tasks, begun);
    assert!(SystemClock.now() < due, "the machine is too slow: deliveries have begun already");
    SystemClock.sleep(SystemClock.now().until(due)).await;
    tasks
}

async fn drain(arrivals: &mut Arrivals, tasks: usize) {
    let begun = now();
    for _ in 0..tasks {
        arrivals.recv().await.expect("it comes");
    }
    report("delivered, all due at once", tasks, begun);
}

fn report(what: &str, tasks: usize, begun: Instant) {
    let seconds = now().duration_since(begun).as_secs_f64();
    println!("{what}: {tasks} in {seconds:.2} s, {:.0} a second", tasks as f64 / seconds);
}
