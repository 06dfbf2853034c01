//! The dispatcher: begins each delivery when its task is due, as fast as the limits allow.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::LocalQueue;
use super::delivery::Delivery;
use super::loading::Loading;
use super::rate_limiter::Bucket;
use super::task::Task;
use super::upcoming::Next;

/// The longest sleep of the dispatcher: a clock that jumps is noticed after this long.
const NAP: Duration = Duration::from_secs(60);
/// How long the dispatcher waits for answers at shutdown. A worker that is told to stop puts its jobs
/// back and answers at once.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

impl LocalQueue {
    /// Delivers tasks until `shutdown`. It then begins no more deliveries and waits a little for answers. A
    /// task without an answer by then is delivered again after the next start.
    pub async fn deliver(self: Arc<Self>, shutdown: CancellationToken) {
        let mut dispatcher = Dispatcher::new(self);
        dispatcher.run(&shutdown).await;
        dispatcher.end().await;
    }
}

struct Dispatcher {
    queue: Arc<LocalQueue>,
    bucket: Bucket,
    deliveries: JoinSet<()>,
    /// Loads and purges.
    chores: JoinSet<()>,
}

enum Step {
    Load(usize),
    Deliver(Task),
    Wait(Duration),
}

impl Dispatcher {
    fn new(queue: Arc<LocalQueue>) -> Self {
        let bucket = Bucket::full(queue.settings.max_per_second, queue.clock.now());
        Self { queue, bucket, deliveries: JoinSet::new(), chores: JoinSet::new() }
    }

    async fn run(&mut self, shutdown: &CancellationToken) {
        self.chores.spawn(self.queue.clone().purge_for_ever());
        let clock = self.queue.clock.clone();
        while !shutdown.is_cancelled() {
            let wait = self.begin_what_is_due();
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.queue.woken.notified() => {}
                Some(_) = self.deliveries.join_next() => {}
                Some(_) = self.chores.join_next() => {}
                () = clock.sleep(wait) => {}
            }
        }
    }

    /// Begins the deliveries that are due. Returns how long no further one can begin, unless the dispatcher
    /// is woken.
    fn begin_what_is_due(&mut self) -> Duration {
        while self.deliveries.try_join_next().is_some() {}
        loop {
            // A spawned task may be dropped at once, and its drop takes the lock, so the lock is released before
            // spawning.
            match self.next_step() {
                Step::Load(limit) => drop(self.chores.spawn(Loading::begun(self.queue.clone()).load(limit))),
                Step::Deliver(task) => drop(self.deliveries.spawn(Delivery::begun(self.queue.clone(), task).run())),
                Step::Wait(wait) => return wait,
            }
        }
    }

    fn next_step(&mut self) -> Step {
        let mut upcoming = self.queue.upcoming();
        if let Some(limit) = upcoming.begin_load() {
            return Step::Load(limit);
        }
        // The end of any delivery wakes the dispatcher.
        if self.deliveries.len() >= self.queue.settings.max_concurrent {
            return Step::Wait(NAP);
        }
        let now = self.queue.clock.now();
        match upcoming.next(now) {
            Next::Ready => {}
            Next::At(due) => return Step::Wait(now.until(due).min(NAP)),
            Next::Nothing => return Step::Wait(NAP),
        }
        match self.bucket.take(now) {
            Ok(()) => upcoming.take().map_or(Step::Wait(NAP), Step::Deliver),
            Err(wait) => Step::Wait(wait),
        }
    }

    async fn end(mut self) {
        self.chores.shutdown().await;
        let clock = self.queue.clock.clone();
        let answers = async { while self.deliveries.join_next().await.is_some() {} };
        tokio::select! {
            () = answers => {}
            () = clock.sleep(LAST_ANSWERS) => {}
        }
        if !self.deliveries.is_empty() {
            tracing::warn!(deliveries = self.deliveries.len(), "deliveries dropped at shutdown");
        }
        self.deliveries.shutdown().await;
    }
}
