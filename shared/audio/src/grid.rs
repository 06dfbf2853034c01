//! The restart points of a recording: fixed times at which decoding restarts with a fresh decoder, whether or not
//! anything was interrupted. So the samples behind a restart point are the same to the last bit for a run that came
//! from the start and for a run that continues there.

use std::time::Duration;

use crate::resample::RATE;

const SECOND: u64 = RATE as u64;

/// The positions of the restart points, in samples at 16 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    first: u64,
    every: u64,
    /// Detectors restart at one restart point in this many; the decoding for cutting restarts at each.
    for_listeners: u32,
    /// The least audio, in samples, that decoders are given before a restart point.
    lead: u64,
}

impl Default for Grid {
    /// The first restart point lies behind the longest recording whose samples are kept. Cutting goes back by half a
    /// minute on average. Detectors have a longer memory than decoders, so they restart only every five minutes.
    fn default() -> Self {
        Self { first: 600 * SECOND, every: 60 * SECOND, for_listeners: 5, lead: SECOND }
    }
}

/// The samples that detectors are given before a restart point: 2 s.
pub(crate) const WARM: usize = 2 * RATE as usize;
/// The time that the filters before the detectors need to settle.
const SETTLES: u64 = SECOND / 4;

impl Grid {
    /// A grid with restart points that a test can wait for. `first` and `every` are whole blocks of levels, as in the
    /// real grid.
    #[cfg(test)]
    pub fn of(first: u64, every: u64, for_listeners: u32) -> Self {
        Self { first, every, for_listeners, lead: SECOND / 4 }
    }

    pub fn at(&self, number: u32) -> u64 {
        self.first + u64::from(number) * self.every
    }

    /// Returns the last restart point that lies before `end`: a recording that ends exactly at a restart point has
    /// nothing behind it.
    pub fn last_before(&self, end: u64) -> Option<u32> {
        let behind_first = end.checked_sub(self.first + 1)?;
        u32::try_from(behind_first / self.every).ok()
    }

    /// Returns the last restart point at or before `sample`.
    pub fn last_until(&self, sample: u64) -> Option<u32> {
        self.last_before(sample + 1)
    }

    pub fn is_for_listeners(&self, number: u32) -> bool {
        number.is_multiple_of(self.for_listeners)
    }

    /// The duration of audio that decoders are given before this restart point.
    pub fn lead(&self, number: u32) -> Duration {
        let samples = if self.is_for_listeners(number) { self.lead.max(WARM as u64 + SETTLES) } else { self.lead };
        Duration::from_micros(samples * 1_000_000 / SECOND)
    }

    /// The longest lead of any restart point, which is how much has to be kept available.
    pub fn longest_lead(&self) -> Duration {
        self.lead(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::BLOCK;

    #[test]
    fn no_restart_point_lies_within_recordings_that_are_kept_decoded() {
        let grid = Grid::default();
        assert_eq!((grid.last_before(0), grid.last_before(600 * SECOND)), (None, None));
        assert_eq!(grid.last_before(600 * SECOND + 1), Some(0));
        assert_eq!(grid.last_before(660 * SECOND), Some(0));
        assert_eq!(grid.last_before(660 * SECOND + 1), Some(1));
        assert_eq!((grid.last_until(660 * SECOND - 1), grid.last_until(660 * SECOND)), (Some(0), Some(1)));
        assert_eq!(grid.at(1), 660 * SECOND);
    }

    #[test]
    fn restart_points_for_listeners_are_whole_blocks_and_have_longer_lead() {
        let grid = Grid::default();
        for number in (0..2_880).filter(|number| grid.is_for_listeners(*number)) {
            assert!(grid.at(number).is_multiple_of(BLOCK as u64) && WARM.is_multiple_of(BLOCK));
        }
        assert!(grid.is_for_listeners(0) && !grid.is_for_listeners(4) && grid.is_for_listeners(5));
        assert!(grid.lead(5) > Duration::from_secs(2) && grid.lead(4) == Duration::from_secs(1));
        assert_eq!(grid.longest_lead(), grid.lead(0));
    }
}
