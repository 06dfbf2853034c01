//! The moments of a recording (see [`grid`](crate::grid)) and what is needed to restart decoding at each of them.

use crate::grid::Grid;
use crate::packed::{Packer, Unpacker};
use crate::resample::RATE;

/// A moment. A step of a source is a packet, or whatever the source returns at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The number in the [`Grid`](crate::grid::Grid).
    pub number: u32,
    /// The first step that has to be decoded to reach the moment.
    pub first: u64,
    /// The number of steps up to the moment, including those that lead to it.
    pub steps: u64,
    /// The position in the file at which the first step begins; 0 if the file has to be read from its start.
    pub byte: u64,
    /// Samples per channel that the source has decoded and not returned yet.
    pub held: u64,
    /// Samples per channel that the source has returned since its stream began, if that matters.
    pub given: u64,
    /// The number of channels so far, if the source learns it only from its packets.
    pub wide: u32,
    /// Samples at 16 kHz before the recording had its present rate, samples since then at that rate, and the rate.
    pub base: u64,
    pub native: u64,
    pub rate: u32,
    /// The recording has had two channels.
    pub stereo: bool,
}

/// The known moments of a recording, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartPoints {
    moments: Vec<Moment>,
}

impl RestartPoints {
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Moment] {
        &self.moments
    }

    pub fn is_empty(&self) -> bool {
        self.moments.is_empty()
    }

    /// The number of known moments.
    pub fn len(&self) -> usize {
        self.moments.len()
    }

    /// Remembers a moment, unless it is known already.
    pub(crate) fn remember(&mut self, moment: Moment) {
        if self.moments.last().is_none_or(|last| last.number < moment.number) {
            self.moments.push(moment);
        }
    }

    pub(crate) fn find(&self, number: u32) -> Option<&Moment> {
        let at = self.moments.binary_search_by_key(&number, |moment| moment.number).ok()?;
        self.moments.get(at)
    }

    /// Returns the position from which a file has to be read to cut what begins at this millisecond; 0 for its start.
    pub fn byte_for(&self, start_ms: u32) -> u64 {
        let sample = u64::from(start_ms) * u64::from(RATE / 1000);
        self.last_until_sample(sample, Grid::default()).map_or(0, |moment| moment.byte)
    }

    /// Returns the last known moment at or before this sample.
    pub(crate) fn last_until_sample(&self, sample: u64, grid: Grid) -> Option<&Moment> {
        self.last_until(grid.last_until(sample)?)
    }

    /// Returns the last known moment up to this number.
    pub(crate) fn last_until(&self, number: u32) -> Option<&Moment> {
        let behind = self.moments.partition_point(|moment| moment.number <= number);
        self.moments[..behind].last()
    }

    pub(crate) fn pack(&self, to: &mut Packer) {
        to.put(self.moments.len() as u64);
        let mut before = Moment::default();
        for moment in &self.moments {
            let changed = (moment.base, moment.rate) != (before.base, before.rate);
            let number = u64::from(moment.number - before.number);
            let holds = (moment.held, moment.wide, moment.given) != (0, 0, before.given);
            to.put(number << 3 | u64::from(holds) << 2 | u64::from(moment.stereo) << 1 | u64::from(changed));
            if changed {
                to.put(moment.base);
                to.put(moment.rate);
            }
            to.put_signed(moment.native.wrapping_sub(if changed { 0 } else { before.native }).cast_signed());
            to.put(moment.steps - before.steps);
            to.put(moment.steps - moment.first);
            to.put_signed(moment.byte.wrapping_sub(before.byte).cast_signed());
            if holds {
                to.put(moment.held);
                to.put(moment.wide);
                to.put_signed(moment.given.wrapping_sub(before.given).cast_signed());
            }
            before = *moment;
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker) -> Option<Self> {
        let count = from.take_count()?;
        let mut moments = Vec::with_capacity(count);
        let mut before = Moment::default();
        for index in 0..count {
            let head = from.take()?;
            let number = u32::try_from(head >> 3).ok()?;
            let changed = head & 1 == 1;
            let (base, rate) = if changed { (from.take()?, from.take_as()?) } else { (before.base, before.rate) };
            let native = if changed { 0 } else { before.native }.wrapping_add_signed(from.take_signed()?);
            let steps = before.steps.checked_add(from.take()?)?;
            let mut moment = Moment {
                number: before.number.checked_add(number).filter(|_| index == 0 || number > 0)?,
                first: steps.checked_sub(from.take()?)?,
                steps,
                byte: before.byte.wrapping_add_signed(from.take_signed()?),
                held: 0,
                given: before.given,
                wide: 0,
                base,
                native,
                rate,
                stereo: head & 2 == 2,
            };
            if head & 4 == 4 {
                moment.held = from.take()?;
                moment.wide = from.take_as()?;
                moment.given = before.given.wrapping_add_signed(from.take_signed()?);
            }
            moments.push(moment);
            before = moment;
        }
        Some(Self { moments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments() -> RestartPoints {
        let mut moments = RestartPoints::default();
        for number in [0, 1, 2, 5] {
            let (base, rate) = if number < 2 { (0, 48_000) } else { (9_620_000, 16_000) };
            let steps = 30_000 + 3_000 * u64::from(number);
            let native = if number < 2 { 28_800_100 } else { 50_000 } + 960_000 * u64::from(number);
            let first = steps - 100;
            moments.remember(Moment {
                number,
                first,
                steps,
                byte: first * 43,
                held: 7,
                wide: 2,
                given: native,
                base,
                native,
                rate,
                stereo: number > 1,
            });
        }
        moments
    }

    #[test]
    fn packed_moments_read_back_and_damage_is_detected() {
        let (moments, mut packer) = (moments(), Packer::default());
        moments.pack(&mut packer);
        let mut unpacker = Unpacker::of(&packer.bytes);
        assert_eq!(RestartPoints::unpack(&mut unpacker), Some(moments));
        assert!(unpacker.is_empty());
        for cut in 0..packer.bytes.len() {
            assert_eq!(RestartPoints::unpack(&mut Unpacker::of(&packer.bytes[..cut])), None, "{cut}");
        }
    }

    #[test]
    fn moments_of_a_day_take_a_few_kilobytes() {
        let (mut moments, mut packer) = (RestartPoints::default(), Packer::default());
        for number in 0..1_440 {
            let steps = 30_000 + 3_000 * u64::from(number);
            let (first, native) = (steps - 50, steps * 320);
            moments.remember(Moment {
                number,
                first,
                steps,
                byte: first * 43,
                native,
                rate: 16_000,
                ..Moment::default()
            });
        }
        moments.pack(&mut packer);
        assert!(packer.bytes.len() < 18_000, "{} bytes", packer.bytes.len());
    }

    #[test]
    fn last_known_moment_before_a_number_is_found() {
        let moments = moments();
        assert_eq!(moments.last_until(4).map(|moment| moment.number), Some(2));
        assert_eq!(moments.find(5).map(|moment| moment.number), Some(5));
        assert_eq!((moments.find(4), RestartPoints::default().last_until(9)), (None, None));
    }
}
