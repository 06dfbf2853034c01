//! State that an instance keeps in memory and not in the store. It saves work, and correctness does not depend on it.

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
    /// Where the search for jobs written by a clock that ran ahead continues; `None` at the beginning. Each query of that
    /// search has a number.
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
        // The map holds plain cursors, which stay valid after a panic elsewhere.
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
