//! The nearest tasks in memory: a bounded window on the table.
//!
//! Every waiting task in the table below `horizon` is in `waiting`, or its row was created after the
//! last load and its creator is about to offer it. Code that does not know what became of a row, for
//! example because the answer to its write was lost, lowers the horizon, and the next load finds out.

use std::collections::{BTreeMap, HashSet};

use domain::Timestamp;

use super::task::{Key, Task};

/// The most tasks in memory, except for those that arrive during a load.
pub const CAPACITY: usize = 8192;
/// The number of new tasks that a load brings.
pub const PAGE: usize = 2048;
/// The next load begins with fewer waiting tasks than this, so that deliveries do not stop for it.
const LOW_WATER: usize = 1024;

const START: Key = (Timestamp::from_millis(i64::MIN), i64::MIN);
const END: Key = (Timestamp::from_millis(i64::MAX), i64::MAX);

/// The nearest rows of the table.
#[derive(Debug)]
pub struct Page {
    pub tasks: Vec<Task>,
    /// Whether the page contains all unfinished tasks.
    pub complete: bool,
    /// The newest row's id in the whole table.
    pub last_id: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A task is due.
    Ready,
    /// The next task is due at this time.
    At(Timestamp),
    /// No waiting task is known.
    Nothing,
}

#[derive(Debug)]
pub struct Upcoming {
    waiting: BTreeMap<Key, Task>,
    running: HashSet<i64>,
    horizon: Key,
    /// The last load saw all rows up to this id.
    seen: i64,
    load: Option<Load>,
}

/// What happened since the current load read the table.
#[derive(Debug, Default)]
struct Load {
    settled: HashSet<i64>,
    doubt: Option<Key>,
}

impl Upcoming {
    pub fn new() -> Self {
        Self { waiting: BTreeMap::new(), running: HashSet::new(), horizon: START, seen: 0, load: None }
    }

    /// Adds the task of a new row. Returns whether it is now the first in line.
    pub fn offer(&mut self, task: Task) -> bool {
        // A load has seen the row: the task was delivered, is in memory, or lies beyond the horizon.
        if task.id <= self.seen {
            return false;
        }
        self.put(task)
    }

    pub fn next(&self, now: Timestamp) -> Next {
        match self.waiting.first_key_value() {
            Some((key, _)) if *key >= self.horizon => Next::Nothing,
            Some(((due, _), _)) if now.has_reached(*due) => Next::Ready,
            Some(((due, _), _)) => Next::At(*due),
            None => Next::Nothing,
        }
    }

    /// Takes the first task in line, which runs from now on.
    pub fn take(&mut self) -> Option<Task> {
        let (_, task) = self.waiting.pop_first()?;
        self.running.insert(task.id);
        Some(task)
    }

    /// Removes a task that ran; with `again` it is to run once more. Its row has been written already.
    pub fn finish(&mut self, id: i64, again: Option<Task>) {
        self.running.remove(&id);
        if let Some(load) = &mut self.load {
            load.settled.insert(id);
        }
        if let Some(task) = again {
            self.put(task);
        }
    }

    /// Removes a task that has stopped running while it is unknown what its row contains.
    pub fn lose(&mut self, key: Key) {
        self.running.remove(&key.1);
        self.doubt(key);
    }

    /// Notes that the table may contain a row at or after this key that is not in memory.
    pub fn doubt(&mut self, key: Key) {
        self.horizon = self.horizon.min(key);
        if let Some(load) = &mut self.load {
            load.doubt = Some(load.doubt.map_or(key, |doubt| doubt.min(key)));
        }
    }

    /// The table was lost: takes all waiting tasks out of memory, so that they are written to a new table
    /// and loaded from there.
    pub fn take_all(&mut self) -> Vec<Task> {
        self.doubt(START);
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// Begins a load if one is needed. Returns how many of the nearest rows to load.
    pub fn begin_load(&mut self) -> Option<usize> {
        let first = self.waiting.first_key_value().map_or(END, |(key, _)| *key);
        let dry = first >= self.horizon || self.waiting.len() < LOW_WATER;
        if self.load.is_some() || self.horizon == END || !dry {
            return None;
        }
        self.load = Some(Load::default());
        Some(PAGE + self.waiting.len() + self.running.len())
    }

    pub fn end_load(&mut self, page: Page) {
        let load = self.load.take().unwrap_or_default();
        self.seen = self.seen.max(page.last_id);
        self.horizon = match page.tasks.last() {
            Some(last) if !page.complete => (last.due, last.id.saturating_add(1)),
            _ => END,
        };
        for task in page.tasks {
            if !self.running.contains(&task.id) && !load.settled.contains(&task.id) {
                self.waiting.insert(task.key(), task);
            }
        }
        if let Some(doubt) = load.doubt {
            self.doubt(doubt);
        }
        self.trim();
    }

    pub fn fail_load(&mut self) {
        self.load = None;
        self.trim();
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    fn put(&mut self, task: Task) -> bool {
        let key = task.key();
        // During a load the new horizon is unknown: the load may have read the table before this row was
        // there.
        if key >= self.horizon && self.load.is_none() {
            return false;
        }
        self.waiting.insert(key, task);
        self.trim();
        self.waiting.first_key_value().is_some_and(|(first, _)| *first == key)
    }

    fn trim(&mut self) {
        // Nothing is dropped during a load, which would end with a horizon above the dropped tasks.
        while self.load.is_none() && self.waiting.len() > CAPACITY {
            let Some((key, _)) = self.waiting.pop_last() else { return };
            self.horizon = self.horizon.min(key);
        }
    }
}

#[cfg(test)]
mod tests;
