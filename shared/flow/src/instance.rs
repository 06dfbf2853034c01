//! State that an instance keeps in memory and not in the store. It saves work, and correctness does not depend on it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alarm::Alarm;
use crate::circuit::Circuit;
use crate::clock_guard::ClockGuard;
use crate::ports::DueCursor;

/// A search for jobs that wait for the speech engine, as far as a sweep came with it.
#[derive(Clone, Copy, Debug)]
pub struct WakeUp {
    /// Whether all of them are woken, because the engine is back, or one that probes it.
    pub all: bool,
    /// The last job that was checked; `None` at the beginning.
    pub after: Option<DueCursor>,
}

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
    /// A search that a sweep could not finish.
    wake_up: Mutex<Option<WakeUp>>,
    /// The number of the part with which the next sweep begins.
    next_sweep_part: AtomicUsize,
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

    pub fn take_wake_up(&self) -> Option<WakeUp> {
        self.wake_up.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn set_wake_up(&self, wake_up: WakeUp) {
        *self.wake_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake_up);
    }

    pub fn next_sweep_part(&self) -> usize {
        self.next_sweep_part.load(Ordering::Relaxed)
    }

    pub fn set_next_sweep_part(&self, part: usize) {
        self.next_sweep_part.store(part, Ordering::Relaxed);
    }

    fn cursors(&self) -> MutexGuard<'_, BTreeMap<usize, DueCursor>> {
        // The map holds plain cursors, which stay valid after a panic elsewhere.
        self.clock_repair_cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
