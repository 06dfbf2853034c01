//! What an instance remembers by itself, not in the store: it saves work, and correctness does not rest on it.

use std::sync::{Mutex, PoisonError};

use crate::circuit::Circuit;
use crate::ports::DueCursor;

#[derive(Default)]
pub struct Instance {
    pub circuit: Circuit,
    looked_at: Mutex<Option<DueCursor>>,
}

impl Instance {
    /// Where the search for jobs goes on that a clock left behind that ran ahead; `None`: at the beginning.
    pub fn looked_at(&self) -> Option<DueCursor> {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn look_on_from(&self, cursor: Option<DueCursor>) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}
