//! One delivery, from its beginning until its outcome is written to the row.

use std::sync::Arc;
use std::time::Duration;

use flow::Result;

use super::LocalQueue;
use super::call::Answer;
use super::outcome::{self, Outcome};
use super::table;
use super::task::Task;
use crate::metrics;

/// The pauses in milliseconds between the tries to write an outcome. If the last try fails too, the row
/// stays as it was and the task is delivered again; the worker tolerates that.
const RETRY_PAUSES_MS: [u64; 5] = [100, 200, 400, 800, 1600];

/// A task that is being delivered. If it is cut off by a shutdown or a panic, the next load finds its
/// row.
pub struct Delivery {
    queue: Arc<LocalQueue>,
    task: Task,
    settled: bool,
}

impl Delivery {
    pub fn begun(queue: Arc<LocalQueue>, task: Task) -> Self {
        Self { queue, task, settled: false }
    }

    pub async fn run(mut self) {
        let queue = self.queue.clone();
        let answer = queue.ask(&self.task).await;
        let outcome = outcome::of(&queue.settings, &self.task, &answer, queue.clock.now(), queue.random.unit());
        metrics::delivered(match &outcome {
            Outcome::Done => "done",
            Outcome::Again(_) => "again",
            Outcome::GivenUp => "given_up",
        });
        if queue.write_down(self.task.id, &outcome).await {
            let again = if let Outcome::Again(task) = outcome { Some(task) } else { None };
            self.settled = true;
            queue.upcoming().finish(self.task.id, again);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.queue.upcoming().lose(self.task.key());
            self.queue.woken.notify_one();
        }
    }
}

impl LocalQueue {
    async fn ask(&self, task: &Task) -> Answer {
        tokio::select! {
            answer = self.caller.call(task) => answer,
            () = self.clock.sleep(self.settings.dispatch_deadline) => {
                Answer::Unanswered("no answer before the dispatch deadline".to_owned())
            }
        }
    }

    /// Writes the outcome to the row. Returns whether it was written.
    async fn write_down(&self, id: i64, outcome: &Outcome) -> bool {
        for wait in RETRY_PAUSES_MS {
            match self.write(id, outcome).await {
                Ok(()) => return true,
                Err(error) => tracing::warn!(%error, "outcome of a delivery not written"),
            }
            self.clock.sleep(Duration::from_millis(wait)).await;
        }
        let result = self.write(id, outcome).await;
        result
            .inspect_err(|error| {
                tracing::error!(
                    %error, remedy = "look at the disk of the data folder: it may be full, read-only or broken",
                    "outcome of a delivery not written: the task is delivered again"
                )
            })
            .is_ok()
    }

    async fn write(&self, id: i64, outcome: &Outcome) -> Result<()> {
        match outcome {
            Outcome::Done | Outcome::GivenUp => {
                let now = self.clock.now();
                self.rows.call("queue.end", id, move |db| table::end(db, id, now)).await
            }
            Outcome::Again(task) => {
                let task = task.clone();
                self.rows.call("queue.put_off", id, move |db| table::put_off(db, &task)).await
            }
        }
    }
}
