//! Where in its file a recording's fixed moments are found: what it takes to begin decoding at one of them.

use crate::packed::{Packer, Unpacker};

/// One moment. A source's steps are its packets, or whatever it gives at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Of the moment.
    pub number: u32,
    /// The first step that leads to the moment.
    pub first: u64,
    /// Steps up to the moment, those that lead there included.
    pub steps: u64,
    /// Where in the file the first step begins, if its source can begin there; 0: it is read from its start.
    pub byte: u64,
    /// Samples a channel that the source has decoded and not given yet.
    pub held: u64,
    /// Samples at 16 kHz before the recording had its present rate, those that it gave at this rate, and the rate.
    pub base: u64,
    pub native: u64,
    pub rate: u32,
    /// There are two channels, or have been.
    pub stereo: bool,
}

/// The moments of a recording, as far as they are known, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    marks: Vec<Mark>,
}

impl Marks {
    pub(crate) fn all(&self) -> &[Mark] {
        &self.marks
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Remembers a moment that is not known yet.
    pub(crate) fn saw(&mut self, mark: Mark) {
        if self.marks.last().is_none_or(|last| last.number < mark.number) {
            self.marks.push(mark);
        }
    }

    pub(crate) fn find(&self, number: u32) -> Option<&Mark> {
        let at = self.marks.binary_search_by_key(&number, |mark| mark.number).ok()?;
        self.marks.get(at)
    }

    /// The last one that is known up to this moment.
    pub(crate) fn last_until(&self, number: u32) -> Option<&Mark> {
        let behind = self.marks.partition_point(|mark| mark.number <= number);
        self.marks[..behind].last()
    }

    pub(crate) fn pack(&self, to: &mut Packer) {
        to.put(self.marks.len() as u64);
        let mut before = Mark::default();
        for mark in &self.marks {
            let changed = (mark.base, mark.rate) != (before.base, before.rate);
            let number = u64::from(mark.number - before.number);
            to.put(number << 2 | u64::from(mark.stereo) << 1 | u64::from(changed));
            if changed {
                to.put(mark.base);
                to.put(mark.rate);
            }
            to.put_signed(mark.native.wrapping_sub(if changed { 0 } else { before.native }).cast_signed());
            to.put(mark.steps - before.steps);
            to.put(mark.steps - mark.first);
            to.put_signed(mark.byte.wrapping_sub(before.byte).cast_signed());
            to.put(mark.held);
            before = *mark;
        }
    }

    pub(crate) fn unpack(from: &mut Unpacker) -> Option<Self> {
        let count = from.take_count()?;
        let mut marks = Vec::with_capacity(count);
        let mut before = Mark::default();
        for index in 0..count {
            let head = from.take()?;
            let number = u32::try_from(head >> 2).ok()?;
            let changed = head & 1 == 1;
            let (base, rate) =
                if changed { (from.take()?, from.take_as()?) } else { (before.base, before.rate) };
            let native = if changed { 0 } else { before.native }.wrapping_add_signed(from.take_signed()?);
            let steps = before.steps.checked_add(from.take()?)?;
            let mark = Mark {
                number: before.number.checked_add(number).filter(|_| index == 0 || number > 0)?,
                first: steps.checked_sub(from.take()?)?,
                steps,
                byte: before.byte.wrapping_add_signed(from.take_signed()?),
                held: from.take()?,
                base,
                native,
                rate,
                stereo: head & 2 == 2,
            };
            marks.push(mark);
            before = mark;
        }
        Some(Self { marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let mut marks = Marks::default();
        for number in [0, 1, 2, 5] {
            let (base, rate) = if number < 2 { (0, 48_000) } else { (9_620_000, 16_000) };
            let steps = 30_000 + 3_000 * u64::from(number);
            let native = if number < 2 { 28_800_100 } else { 50_000 } + 960_000 * u64::from(number);
            let first = steps - 100;
            marks.saw(Mark { number, first, steps, byte: first * 43, held: 7, base, native, rate, stereo: number > 1 });
        }
        marks
    }

    #[test]
    fn marks_read_back_as_they_were_packed_and_damage_is_found() {
        let (marks, mut packer) = (marks(), Packer::default());
        marks.pack(&mut packer);
        let mut unpacker = Unpacker::of(&packer.bytes);
        assert_eq!(Marks::unpack(&mut unpacker), Some(marks));
        assert!(unpacker.is_empty());
        for cut in 0..packer.bytes.len() {
            assert_eq!(Marks::unpack(&mut Unpacker::of(&packer.bytes[..cut])), None, "{cut}");
        }
    }

    #[test]
    fn a_day_of_packets_takes_a_few_kilobytes() {
        let (mut marks, mut packer) = (Marks::default(), Packer::default());
        for number in 0..1_440 {
            let steps = 30_000 + 3_000 * u64::from(number);
            let (first, native) = (steps - 50, steps * 320);
            marks.saw(Mark { number, first, steps, byte: first * 43, native, rate: 16_000, ..Mark::default() });
        }
        marks.pack(&mut packer);
        assert!(packer.bytes.len() < 18_000, "{} bytes", packer.bytes.len());
    }

    #[test]
    fn the_last_mark_before_a_moment_is_found() {
        let marks = marks();
        assert_eq!(marks.last_until(4).map(|mark| mark.number), Some(2));
        assert_eq!(marks.find(5).map(|mark| mark.number), Some(5));
        assert_eq!((marks.find(4), Marks::default().last_until(9)), (None, None));
    }
}
