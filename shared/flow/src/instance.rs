//! What an instance remembers by itself, not in the store: it saves work, and correctness does not rest on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::circuit::Circuit;
use crate::ports::DueCursor;

#[derive(Default)]
pub struct Instance {
    pub circuit: Circuit,
    looked_at: Mutex<BTreeMap<usize, DueCursor>>,
}

impl Instance {
    /// Where the search for jobs goes on that a clock left behind that ran ahead; `None`: at the beginning.
    /// Each of its questions is known by a number.
    pub fn looked_at(&self, question: usize) -> Option<DueCursor> {
        self.cursors().get(&question).copied()
    }

    pub fn look_on_from(&self, question: usize, cursor: Option<DueCursor>) {
        match cursor {
            Some(cursor) => _ = self.cursors().insert(question, cursor),
            None => _ = self.cursors().remove(&question),
        }
    }

    fn cursors(&self) -> MutexGuard<'_, BTreeMap<usize, DueCursor>> {
        // A panic elsewhere leaves plain cursors behind: still fit for use.
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
