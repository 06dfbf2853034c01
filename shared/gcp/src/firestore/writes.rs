//! Writes jobs and recordings as a rule decided.

use domain::RecordingExtras;
use domain::decision::{Decided, Writes};

use super::fault::Result;
use super::table::recordings::Before;
use super::table::{jobs, recordings};
use super::unit_of_work::Unit;

/// Writes what was decided, and returns the answer. `before` is how the recordings are stored.
pub fn write<T>(unit: &mut Unit<'_>, decided: Decided<T>, before: &[Before]) -> Result<T> {
    let Writes { recordings, changed, created } = decided.writes;
    for (recording, before) in recordings.into_iter().zip(before) {
        recordings::save(unit, recording, &RecordingExtras::default(), before)?;
    }
    changed.iter().try_for_each(|change| jobs::update(unit, &change.before, &change.job))?;
    created.iter().try_for_each(|job| jobs::create(unit, job))?;
    Ok(decided.answer)
}
