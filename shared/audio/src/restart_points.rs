//! The restart points of a recording (see [`grid`](crate::grid)) and what is needed to restart decoding at each of
//! them.

use crate::grid::Grid;
use crate::packed::{Packer, Unpacker};
use crate::resample::RATE;
use crate::sample_source::SourcePosition;

/// A restart point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RestartPoint {
    /// The number in the [`Grid`](crate::grid::Grid).
    pub number: u32,
    pub source: SourcePosition,
    /// Samples at 16 kHz before the recording had its present rate, samples since then at that rate, and the rate.
    pub base: u64,
    pub native: u64,
    pub rate: u32,
    /// The recording has had two channels.
    pub stereo: bool,
}

/// The known restart points of a recording, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartPoints {
    points: Vec<RestartPoint>,
}

impl RestartPoints {
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[RestartPoint] {
        &self.points
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The number of known restart points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Remembers a restart point, unless it is known already.
    pub(crate) fn remember(&mut self, point: RestartPoint) {
        if self.points.last().is_none_or(|last| last.number < point.number) {
            self.points.push(point);
        }
    }

    pub(crate) fn find(&self, number: u32) -> Option<&RestartPoint> {
        let at = self.points.binary_search_by_key(&number, |point| point.number).ok()?;
        self.points.get(at)
    }

    /// Returns the position from which a file has to be read to cut what begins at this millisecond; 0 for its start.
    pub fn byte_for(&self, start_ms: u32) -> u64 {
        let sample = u64::from(start_ms) * u64::from(RATE / 1000);
        self.last_until_sample(sample, Grid::default()).map_or(0, |point| point.source.byte)
    }

    /// Returns the last known restart point at or before this sample.
    pub(crate) fn last_until_sample(&self, sample: u64, grid: Grid) -> Option<&RestartPoint> {
        self.last_until(grid.last_until(sample)?)
    }

    /// Returns the last known restart point up to this number.
    pub(crate) fn last_until(&self, number: u32) -> Option<&RestartPoint> {
        let behind = self.points.partition_point(|point| point.number <= number);
        self.points[..behind].last()
    }

    pub(crate) fn pack(&self, to: &mut Packer) {
        to.put(self.points.len() as u64);
        let mut before = RestartPoint::default();
        for point in &self.points {
            let (source, source_before) = (&point.source, &before.source);
            let changed = (point.base, point.rate) != (before.base, before.rate);
            let number = u64::from(point.number - before.number);
            let holds = (source.held, source.wide, source.given) != (0, 0, source_before.given);
            to.put(number << 3 | u64::from(holds) << 2 | u64::from(point.stereo) << 1 | u64::from(changed));
            if changed {
                to.put(point.base);
                to.put(point.rate);
            }
            to.put_signed(point.native.wrapping_sub(if changed { 0 } else { before.native }).cast_signed());
            to.put(source.steps - source_before.steps);
            to.put(source.steps - source.first);
            to.put_signed(source.byte.wrapping_sub(source_before.byte).cast_signed());
            if holds {
                to.put(source.held);
                to.put(source.wide);
                to.put_signed(source.given.wrapping_sub(source_before.given).cast_signed());
            }
            before = *point;
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker) -> Option<Self> {
        let count = from.take_count()?;
        let mut points = Vec::with_capacity(count);
        let mut before = RestartPoint::default();
        for index in 0..count {
            let head = from.take()?;
            let number = u32::try_from(head >> 3).ok()?;
            let changed = head & 1 == 1;
            let (base, rate) = if changed { (from.take()?, from.take_as()?) } else { (before.base, before.rate) };
            let native = if changed { 0 } else { before.native }.wrapping_add_signed(from.take_signed()?);
            let steps = before.source.steps.checked_add(from.take()?)?;
            let mut source = SourcePosition {
                first: steps.checked_sub(from.take()?)?,
                steps,
                byte: before.source.byte.wrapping_add_signed(from.take_signed()?),
                held: 0,
                given: before.source.given,
                wide: 0,
            };
            if head & 4 == 4 {
                source.held = from.take()?;
                source.wide = from.take_as()?;
                source.given = before.source.given.wrapping_add_signed(from.take_signed()?);
            }
            let number = before.number.checked_add(number).filter(|_| index == 0 || number > 0)?;
            let point = RestartPoint { number, source, base, native, rate, stereo: head & 2 == 2 };
            points.push(point);
            before = point;
        }
        Some(Self { points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> RestartPoints {
        let mut points = RestartPoints::default();
        for number in [0, 1, 2, 5] {
            let (base, rate) = if number < 2 { (0, 48_000) } else { (9_620_000, 16_000) };
            let steps = 30_000 + 3_000 * u64::from(number);
            let native = if number < 2 { 28_800_100 } else { 50_000 } + 960_000 * u64::from(number);
            let first = steps - 100;
            let source = SourcePosition { first, steps, byte: first * 43, held: 7, wide: 2, given: native };
            points.remember(RestartPoint { number, source, base, native, rate, stereo: number > 1 });
        }
        points
    }

    #[test]
    fn packed_restart_points_read_back_and_damage_is_detected() {
        let (points, mut packer) = (points(), Packer::default());
        points.pack(&mut packer);
        let mut unpacker = Unpacker::of(&packer.bytes);
        assert_eq!(RestartPoints::unpack(&mut unpacker), Some(points));
        assert!(unpacker.is_empty());
        for cut in 0..packer.bytes.len() {
            assert_eq!(RestartPoints::unpack(&mut Unpacker::of(&packer.bytes[..cut])), None, "{cut}");
        }
    }

    #[test]
    fn restart_points_of_a_day_take_a_few_kilobytes() {
        let (mut points, mut packer) = (RestartPoints::default(), Packer::default());
        for number in 0..1_440 {
            let steps = 30_000 + 3_000 * u64::from(number);
            let (first, native) = (steps - 50, steps * 320);
            let source = SourcePosition { first, steps, byte: first * 43, ..SourcePosition::default() };
            points.remember(RestartPoint { number, source, native, rate: 16_000, ..RestartPoint::default() });
        }
        points.pack(&mut packer);
        assert!(packer.bytes.len() < 18_000, "{} bytes", packer.bytes.len());
    }

    #[test]
    fn last_known_restart_point_before_a_number_is_found() {
        let points = points();
        assert_eq!(points.last_until(4).map(|point| point.number), Some(2));
        assert_eq!(points.find(5).map(|point| point.number), Some(5));
        assert_eq!((points.find(4), RestartPoints::default().last_until(9)), (None, None));
    }
}
