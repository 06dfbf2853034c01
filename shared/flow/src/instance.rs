//! State that an instance keeps in memory and not in the store. It saves work, and correctness does not depend on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alarm::Alarm;
use crate::circuit::Circuit;
use crate::clock_guard::ClockGuard;
use crate::ports::DueCursor;

#[derive(Default)]
pub struct Instance {
    pub circuit: Circuit,
    pub clock_guard: ClockGuard,
    /// Limits the errors in the log about the speech engine.
    pub engine_alarm: Alarm,
    /// Limits the warnings about finished jobs whose effects fail, and about due jobs that cannot be repaired: while a backup
    /// runs or a storage is away, every one of them meets the same trouble.
    pub effects_alarm: Alarm,
    pub repair_alarm: Alarm,
    clock_repair_cursor: Mutex<BTreeMap<usize, DueCursor>>,
}

impl Instance {
    pub fn with_clock_guard(clock_guard: ClockGuard) -> Self {
        Self { clock_guard, ..Self::default() }
    }

    /// Where the search for jobs written by a clock that ran ahead continues; `None` at the beginning. Each query of that
    /// search has a number.
    pub fn clock_repair_cursor(&self, query: usize) -> Option<DueCursor> {
        self.cursors().get(&query).copied()
    }

    pub fn set_clock_repair_cursor(&self, query: usize, cursor: Option<DueCursor>) {
        match cursor {
            Some(cursor) => _ = self.cursors().insert(query, cursor),
            None => _ = self.cursors().remove(&query),
        }
    }

    fn cursors(&self) -> MutexGuard<'_, BTreeMap<usize, DueCursor>> {
        // The map holds plain cursors, which stay valid after a panic elsewhere.
        self.clock_repair_cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
