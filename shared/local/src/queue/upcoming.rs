//! The nearest tasks in memory, and what is known about the rest: a bounded window on the table.
//!
//! Every task that waits in the table below `horizon` is in `waiting`, or its row was created after the last load and
//! its creator is about to offer it. Whoever does not know what became of a row lowers the horizon, and the next load
//! finds out.

use std::collections::{BTreeMap, HashSet};

use domain::Timestamp;

use super::task::{Key, Task};

/// Tasks in memory, at most (but for what arrives while a load is under way).
pub const CAPACITY: usize = 8192;
/// New tasks that a load is to bring.
pub const PAGE: usize = 2048;
/// With fewer than these waiting the next load begins, so that deliveries do not stop for it.
const LOW_WATER: usize = 1024;

const START: Key = (Timestamp::from_millis(i64::MIN), i64::MIN);
const END: Key = (Timestamp::from_millis(i64::MAX), i64::MAX);

/// The nearest rows of the table.
#[derive(Debug)]
pub struct Page {
    pub tasks: Vec<Task>,
    /// There are no others.
    pub complete: bool,
    /// The newest row of the whole table.
    pub last_id: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A task is due.
    Ready,
    /// The next one is due then.
    At(Timestamp),
    /// Nothing is known to wait.
    Nothing,
}

#[derive(Debug)]
pub struct Upcoming {
    waiting: BTreeMap<Key, Task>,
    running: HashSet<i64>,
    horizon: Key,
    /// Rows up to this one were seen by a load.
    seen: i64,
    load: Option<Load>,
}

/// What happened since the load that is under way took its look.
#[derive(Debug, Default)]
struct Load {
    settled: HashSet<i64>,
    doubt: Option<Key>,
}

impl Upcoming {
    pub fn new() -> Self {
        Self { waiting: BTreeMap::new(), running: HashSet::new(), horizon: START, seen: 0, load: None }
    }

    /// A row was created. Whether it is now the first in line.
    pub fn offer(&mut self, task: Task) -> bool {
        // A load saw it: it was delivered, is in memory, or lies beyond the horizon.
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

    /// The first in line: it runs from now on.
    pub fn take(&mut self) -> Option<Task> {
        let (_, task) = self.waiting.pop_first()?;
        self.running.insert(task.id);
        Some(task)
    }

    /// The task ran; with `again` it is to run once more. Its row says so already.
    pub fn settle(&mut self, id: i64, again: Option<Task>) {
        self.running.remove(&id);
        if let Some(load) = &mut self.load {
            load.settled.insert(id);
        }
        if let Some(task) = again {
            self.put(task);
        }
    }

    /// The task runs no longer and nobody knows what its row says.
    pub fn lose(&mut self, key: Key) {
        self.running.remove(&key.1);
        self.doubt(key);
    }

    /// There may be a row from this key on that memory does not know.
    pub fn doubt(&mut self, key: Key) {
        self.horizon = self.horizon.min(key);
        if let Some(load) = &mut self.load {
            load.doubt = Some(load.doubt.map_or(key, |doubt| doubt.min(key)));
        }
    }

    /// The table was lost: what waits in memory is to be written into a new one, and loaded from there.
    pub fn begin_anew(&mut self) -> Vec<Task> {
        self.doubt(START);
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    /// How many of the nearest rows are wanted, if a load is to begin.
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
        // During a load the horizon to come is not known: the load may have looked before this row was there.
        if key >= self.horizon && self.load.is_none() {
            return false;
        }
        self.waiting.insert(key, task);
        self.trim();
        self.waiting.first_key_value().is_some_and(|(first, _)| *first == key)
    }

    fn trim(&mut self) {
        // Not during a load: it would end with a horizon above what was dropped.
        while self.load.is_none() && self.waiting.len() > CAPACITY {
            let Some((key, _)) = self.waiting.pop_last() else { return };
            self.horizon = self.horizon.min(key);
        }
    }
}

#[cfg(test)]
#[path = "tests/upcoming.rs"]
mod tests;
