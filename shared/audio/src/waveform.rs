//! Draws the waveform of a recording of unknown length as it passes: pairs of lowest and highest sample, which are
//! merged when there are too many.

use domain::Levels;
use domain::peaks::{self, MAX_PEAKS, Peaks};

use crate::channels::Piece;
use crate::packed::{Packer, Unpacker};
use crate::resample::RATE;

/// The most pairs. There are more than in the final peaks, so that these cover equal shares of the recording within an
/// eighth.
const MOST: usize = 8 * MAX_PEAKS;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outline {
    pairs: Vec<(f32, f32)>,
    /// Samples in each pair but the last.
    each: usize,
    open: (f32, f32),
    in_open: usize,
    most: usize,
}

/// Full scale of a 16-bit sample.
const EXACT: f32 = 32_768.0;

const NOTHING: (f32, f32) = (f32::INFINITY, f32::NEG_INFINITY);

impl Default for Outline {
    fn default() -> Self {
        Self { pairs: Vec::new(), each: 1, open: NOTHING, in_open: 0, most: MOST }
    }
}

impl Outline {
    /// Adds samples. Of two channels, the lower minimum and the higher maximum count.
    pub fn push(&mut self, piece: Piece<'_>) {
        let mut at = 0;
        while at < piece.len() {
            let until = piece.len().min(at + self.each - self.in_open);
            let wider = |(low, high): (f32, f32), sample: &f32| (low.min(*sample), high.max(*sample));
            self.open = piece.left[at..until].iter().fold(self.open, wider);
            if let Some(right) = piece.right {
                self.open = right[at..until].iter().fold(self.open, wider);
            }
            self.in_open += until - at;
            at = until;
            if self.in_open == self.each {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.pairs.push(std::mem::replace(&mut self.open, NOTHING));
        self.in_open = 0;
        if self.pairs.len() == self.most {
            self.fold();
        }
    }

    fn fold(&mut self) {
        if !self.pairs.len().is_multiple_of(2)
            && let Some(last) = self.pairs.pop()
        {
            self.open = both(last, self.open);
            self.in_open += self.each;
        }
        let (pairs, _) = self.pairs.as_chunks();
        self.pairs = pairs.iter().map(|&[one, other]| both(one, other)).collect();
        self.each *= 2;
    }

    /// Halves the number of pairs for a long recording, so that they fit into a checkpoint.
    pub fn shorten(&mut self) {
        self.most = MOST / 2;
        while self.pairs.len() >= self.most {
            self.fold();
        }
    }

    pub fn pack(&self, to: &mut Packer) {
        to.put(self.each as u64);
        to.put(self.in_open as u64);
        to.put(self.pairs.len() as u64);
        let open = Some(&self.open).filter(|_| self.in_open > 0);
        for (low, high) in self.pairs.iter().chain(open) {
            to.put_signed((low * EXACT) as i64);
            to.put_signed((high * EXACT) as i64);
        }
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        let (each, in_open) = (from.take_as()?, from.take_as()?);
        let count = from.take_count().filter(|count| *count <= MOST / 2 && in_open < each)?;
        let mut pair = || Some((from.take_signed()? as f32 / EXACT, from.take_signed()? as f32 / EXACT));
        let pairs = (0..count).map(|_| pair()).collect::<Option<_>>()?;
        let open = if in_open > 0 { pair()? } else { NOTHING };
        Some(Self { pairs, each, open, in_open, most: MOST / 2 })
    }

    /// Returns the peaks as loud as the recording is heard: each pair gets the level at its middle.
    pub fn drawn(&self, levels: &Levels) -> Peaks {
        let open = (self.in_open > 0).then_some(self.open);
        let pairs: Vec<(f32, f32)> = self.pairs.iter().copied().chain(open).collect();
        let one = levels.one_gain().unwrap_or_default().factor();
        let factor = |index: usize| {
            let middle_ms = (index * self.each + self.each / 2) as u64 / u64::from(RATE / 1000);
            let behind = levels.stretches().partition_point(|stretch| u64::from(stretch.start_ms()) <= middle_ms);
            behind.checked_sub(1).map_or(one, |at| levels.stretches()[at].factor())
        };
        let heard = |index: usize| {
            let ((low, high), factor) = (pairs[index], factor(index));
            (low * factor, high * factor)
        };
        let samples = self.pairs.len() * self.each + self.in_open;
        let wanted = peaks::wanted((samples as u64 * 1000).div_ceil(u64::from(RATE)));
        let (from, to) = (pairs.len(), pairs.len().min(wanted));
        let byte = |sample: f32| (sample * 127.0).round().clamp(-127.0, 127.0) as i8;
        let share = |index: usize| {
            let (low, high) = (index * from / to..(index + 1) * from / to).map(heard).fold(NOTHING, both);
            (byte(low), byte(high))
        };
        Peaks::new((0..to).map(share))
    }
}

fn both(one: (f32, f32), other: (f32, f32)) -> (f32, f32) {
    (one.0.min(other.0), one.1.max(other.1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::noise;

    fn drawn(samples: &[f32], piece: usize, gain: f32) -> Vec<(i8, i8)> {
        let mut outline = Outline::default();
        samples.chunks(piece).for_each(|left| outline.push(Piece { left, right: None }));
        outline.drawn(&Levels::one(domain::Gain::of(gain))).pairs().collect()
    }

    #[test]
    fn recording_is_drawn_with_as_many_pairs_as_its_length_deserves() {
        for (length, pairs) in
            [(0, 0), (1, 1), (320, 1), (336, 2), (32_000, 100), (319_000, 997), (320_000, 1_000), (1_600_001, 1_000)]
        {
            assert_eq!(drawn(&noise(length, 0.5), 160, 1.0).len(), pairs, "{length}");
        }
    }

    #[test]
    fn sound_is_drawn_at_its_position() {
        for length in [40_000, 100_000, 1_234_567] {
            let mut samples = vec![0.0; length];
            samples[length / 4] = 0.5;
            samples[length / 2] = -1.0;
            let drawn = drawn(&samples, 160, 1.0);
            let at = |wanted: (i8, i8)| drawn.iter().position(|pair| *pair == wanted).unwrap();
            let (quarter, half) = (drawn.len() / 4, drawn.len() / 2);
            assert!(at((0, 64)).abs_diff(quarter) <= 1 && at((-127, 0)).abs_diff(half) <= 1, "{length}");
        }
    }

    #[test]
    fn long_recording_is_drawn_the_same_by_a_run_that_continues() {
        fn whole(left: &[f32]) -> Piece<'_> {
            Piece { left, right: None }
        }
        for length in [1, 7, 4_001, 12_345, 80_000] {
            let samples: Vec<f32> =
                noise(length + 50_000, 1.0).iter().map(|sample| (sample * 32_767.0).trunc() / 32_768.0).collect();
            let mut through = Outline::default();
            through.push(whole(&samples[..length]));
            through.shorten();
            let mut packer = Packer::default();
            through.pack(&mut packer);
            let mut on = Outline::unpack(&mut Unpacker::of(&packer.bytes)).unwrap();
            through.push(whole(&samples[length..]));
            on.push(whole(&samples[length..]));
            assert!(on == through, "{length}");
        }
    }

    #[test]
    fn peaks_have_gain_of_the_levels() {
        let samples = [[0.01; 320], [-0.02; 320], [0.9; 320]].concat();
        assert_eq!(drawn(&samples, 1, 25.0), [(32, 32), (-64, -64), (127, 127)]);
    }

    #[test]
    fn each_stretch_is_drawn_with_its_own_gain() {
        use domain::levels::{Mix, Stretch};
        let samples = [vec![0.01; 16_000], vec![-0.5; 16_000]].concat();
        let mut outline = Outline::default();
        outline.push(Piece { left: &samples, right: Some(&vec![0.0; 32_000]) });
        let at = |start_ms, factor| Stretch::new(start_ms, factor, Mix::Both);
        let drawn: Vec<(i8, i8)> = outline.drawn(&Levels::of([at(0, 50.0), at(1_000, 1.0)])).pairs().collect();
        assert!(drawn[20].1 > 60 && drawn[20].0 == 0, "{:?}", drawn[20]);
        assert_eq!(drawn[80], (-64, 0));
    }

    proptest! {
        #[test]
        fn no_sample_is_left_out_and_piece_size_makes_no_difference(length in 1..40_000usize, piece in 1..700usize) {
            let samples = noise(length, 1.0);
            let pairs = drawn(&samples, piece, 1.0);
            prop_assert_eq!(&pairs, &drawn(&samples, length, 1.0));
            let byte = |sample: f32| (sample * 127.0).round() as i8;
            let lowest = byte(samples.iter().copied().fold(1.0, f32::min));
            let highest = byte(samples.iter().copied().fold(-1.0, f32::max));
            prop_assert_eq!(pairs.iter().map(|pair| pair.0).min(), Some(lowest));
            prop_assert_eq!(pairs.iter().map(|pair| pair.1).max(), Some(highest));
        }
    }
}
