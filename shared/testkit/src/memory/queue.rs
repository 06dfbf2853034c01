//! A queue like Cloud Tasks, without the delivery: a test takes the named, scheduled tasks out by hand.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;
use flow::Result;
use flow::ports::{Clock, NewTask, TaskName};

/// How long a name stays taken after its task has run: about as long as Cloud Tasks keeps it.
pub const TOMBSTONE: Duration = Duration::from_secs(3600);

pub struct Queue {
    clock: Arc<dyn Clock>,
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    waiting: Vec<(Timestamp, NewTask)>,
    /// Names of tasks that have run, and when.
    ran: HashMap<TaskName, Timestamp>,
}

impl Queue {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tasks: Mutex::default() }
    }

    /// The tasks that wait for delivery, soonest first.
    pub fn waiting(&self) -> Vec<NewTask> {
        let mut waiting = self.tasks().waiting.clone();
        waiting.sort_by_key(|(at, _)| *at);
        waiting.into_iter().map(|(_, task)| task).collect()
    }

    /// When the next task is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.tasks().waiting.iter().map(|(at, _)| *at).min()
    }

    /// Takes out the tasks that are due by `now`, soonest first. Their names stay taken for `TOMBSTONE`.
    pub fn take_due(&self, now: Timestamp) -> Vec<NewTask> {
        let mut tasks = self.tasks();
        let (mut due, later): (Vec<_>, Vec<_>) = tasks.waiting.drain(..).partition(|(at, _)| now.has_reached(*at));
        tasks.waiting = later;
        due.sort_by_key(|(at, _)| *at);
        tasks.ran.extend(due.iter().map(|(_, task)| (task.name(), now)));
        due.into_iter().map(|(_, task)| task).collect()
    }

    /// Puts back a task that was not acknowledged: it is delivered again, at `at`.
    pub fn deliver_again(&self, task: NewTask, at: Timestamp) {
        let mut tasks = self.tasks();
        tasks.ran.remove(&task.name());
        tasks.waiting.push((at, task));
    }

    /// Loses everything, names included, as when a queue is purged or recreated.
    pub fn purge(&self) {
        *self.tasks() = Tasks::default();
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap()
    }
}

impl Tasks {
    fn is_waiting(&self, name: &TaskName) -> bool {
        self.waiting.iter().any(|(_, task)| task.name() == *name)
    }

    fn ran_lately(&self, name: &TaskName, now: Timestamp) -> bool {
        self.ran.get(name).is_some_and(|at| !now.has_reached(*at + TOMBSTONE))
    }
}

#[async_trait]
impl flow::ports::Queue for Queue {
    async fn enqueue(&self, task: NewTask) -> Result<()> {
        let now = self.clock.now();
        let mut tasks = self.tasks();
        let name = task.name();
        if !tasks.is_waiting(&name) && !tasks.ran_lately(&name, now) {
            tasks.ran.remove(&name);
            tasks.waiting.push((task.schedule.unwrap_or(now), task));
        }
        Ok(())
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        Ok(self.tasks().is_waiting(name))
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
