//! Which of its channels a recording is heard by: found out once, over the whole of it.
//!
//! Half a sum loses what is in one channel turned over, and half a difference what is the same in both. Only where the
//! other one never holds anything of its own is one of the two enough, and one channel alone only where the other is dead.
//! Else all four are listened to, each by itself: a voice may be covered in every one of them but one.

use domain::levels::Mix;

use crate::channels::Piece;
use crate::gain::{Decided, Gains};
use crate::level::{AUDIBLE, Block, Meter};
use crate::packed::{Packer, Unpacker};

/// What is 40 dB below the other, at the same moment, is covered by it: the rounding of a codec, the noise of a converter.
const COVERED: f32 = 0.01;
/// Blocks: what lasts shorter is no speech.
const LEAST_SPEECH: u64 = 2;

/// What the first pass finds out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub mix: Mix,
    /// Some of it can be heard at its level.
    pub audible: bool,
    /// More than half of it is so loud that, without speech, it is noise and no silence.
    pub roar: bool,
}

/// Follows one sum of the channels.
#[derive(Clone, Default)]
struct Ear {
    meter: Meter,
    gains: Gains,
    blocks: Vec<Block>,
    decided: Vec<Decided>,
}

impl Ear {
    fn push(&mut self, samples: impl Iterator<Item = f32>) {
        self.meter.push(samples, &mut self.blocks);
        self.decide();
    }

    fn finish(&mut self) {
        self.meter.finish(&mut self.blocks);
        self.decide();
        self.gains.finish(&mut self.decided);
    }

    fn decide(&mut self) {
        for block in self.blocks.drain(..) {
            self.gains.push(block, &mut self.decided);
        }
    }

    /// What it would be if it had heard nothing for as long.
    fn deaf(&self) -> Self {
        Self { meter: self.meter.silent(), gains: self.gains.silent(), blocks: Vec::new(), decided: Vec::new() }
    }
}

/// Blocks of the recording, by what they hold. These numbers are all that is known of what was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub all: u64,
    pub roaring: u64,
    /// The half of the sum, and of the difference, hold something that the other does not cover.
    pub mid: u64,
    pub side: u64,
    /// A channel can be heard.
    pub left: u64,
    pub right: u64,
}

/// Listens to all sums until it is known which of them are needed.
#[derive(Default)]
pub(crate) struct Choosing {
    mid: Ear,
    /// Half the difference, and both channels, from where there are two.
    others: Option<Box<[Ear; 3]>>,
    counts: Counts,
}

impl Choosing {
    pub fn push(&mut self, piece: Piece<'_>) {
        if let Some(right) = piece.right {
            let both = || piece.left.iter().zip(right);
            // So far both channels were the same.
            let others =
                self.others.get_or_insert_with(|| Box::new([self.mid.deaf(), self.mid.clone(), self.mid.clone()]));
            others[0].push(both().map(|(left, right)| (left - right) / 2.0));
            others[1].push(piece.left.iter().copied());
            others[2].push(right.iter().copied());
            self.mid.push(both().map(|(left, right)| (left + right) / 2.0));
        } else {
            self.mid.push(piece.left.iter().copied());
        }
        self.count();
    }

    /// Behind what was counted before: nothing of that is at hand.
    pub fn counting_on(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Decides all that came, and says what it was.
    pub fn count_all(&mut self) -> Counts {
        self.finish();
        self.counts
    }

    pub fn finish(&mut self) -> Choice {
        self.mid.finish();
        if let Some(others) = &mut self.others {
            others.iter_mut().for_each(Ear::finish);
        }
        self.count();
        self.counts.choice()
    }

    fn count(&mut self) {
        let Self { mid, others, counts } = self;
        let nothing = (Block::default(), 1.0);
        for (at, mid) in mid.decided.drain(..).enumerate() {
            let [side, left, right] = match others.as_deref() {
                Some(others) => others.each_ref().map(|ear| ear.decided.get(at).copied().unwrap_or(nothing)),
                None => [nothing, mid, mid],
            };
            counts.take(mid, side, left, right);
        }
        if let Some(others) = others {
            others.iter_mut().for_each(|ear| ear.decided.clear());
        }
    }
}

fn is_audible((block, factor): Decided) -> bool {
    block.loud * factor >= AUDIBLE
}

impl Counts {
    pub fn pack(&self, to: &mut Packer) {
        let Self { all, roaring, mid, side, left, right } = *self;
        [all, roaring, mid, side, left, right].iter().for_each(|count| to.put(*count));
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        Some(Self {
            all: from.take()?,
            roaring: from.take()?,
            mid: from.take()?,
            side: from.take()?,
            left: from.take()?,
            right: from.take()?,
        })
    }

    fn take(&mut self, mid: Decided, side: Decided, left: Decided, right: Decided) {
        let own = |one: Decided, other: Decided| is_audible(one) && one.0.loud > COVERED * other.0.loud;
        self.all += 1;
        self.roaring += u64::from(left.0.roars || right.0.roars);
        self.mid += u64::from(own(mid, side));
        self.side += u64::from(own(side, mid));
        self.left += u64::from(is_audible(left));
        self.right += u64::from(is_audible(right));
    }

    fn choice(&self) -> Choice {
        let mix = match self {
            Self { side, .. } if *side < LEAST_SPEECH => Mix::Mid,
            Self { mid, .. } if *mid < LEAST_SPEECH => Mix::Side,
            Self { right, .. } if *right < LEAST_SPEECH => Mix::Left,
            Self { left, .. } if *left < LEAST_SPEECH => Mix::Right,
            _ => Mix::Both,
        };
        Choice { mix, audible: self.left + self.right > 0, roar: self.roaring * 2 > self.all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixture_samples, noise, quieter};

    fn choice(left: &[f32], right: &[f32]) -> Choice {
        let mut choosing = Choosing::default();
        for (left, right) in left.chunks(1_111).zip(right.chunks(1_111)) {
            choosing.push(Piece { left, right: Some(right) });
        }
        choosing.finish()
    }

    fn clip() -> Vec<f32> {
        fixture_samples("ss0890_pcm16")
    }

    fn scaled(by: f32) -> Vec<f32> {
        clip().iter().map(|sample| sample * by).collect()
    }

    fn nothing() -> Vec<f32> {
        vec![0.0; clip().len()]
    }

    #[test]
    fn channels_that_hold_the_same_are_one_and_so_are_those_that_are_turned_over() {
        for (right, mix) in
            [(clip(), Mix::Mid), (scaled(0.99), Mix::Mid), (scaled(-1.0), Mix::Side), (scaled(-0.99), Mix::Side)]
        {
            for db in [0.0, -40.0] {
                let found = choice(&quieter(&clip(), db), &quieter(&right, db));
                assert_eq!((found.mix, found.audible), (mix, true), "{db} dB");
            }
        }
    }

    #[test]
    fn a_dead_channel_costs_nothing_and_one_that_whispers_is_heard() {
        let hiss = noise(clip().len(), 0.0008);
        assert_eq!(choice(&clip(), &nothing()).mix, Mix::Left);
        assert_eq!(choice(&nothing(), &clip()).mix, Mix::Right);
        assert_eq!(choice(&hiss, &clip()).mix, Mix::Right);
        assert_eq!(choice(&clip(), &scaled(0.1)).mix, Mix::Both);
        // In turns, the second at a hundredth.
        let (first, second) = ([clip(), nothing()].concat(), [nothing(), scaled(0.01)].concat());
        assert_eq!(choice(&first, &second).mix, Mix::Both);
    }

    #[test]
    fn what_changes_in_the_middle_is_heard_by_both_channels() {
        let (left, right) = ([clip(), clip()].concat(), [clip(), scaled(-1.0)].concat());
        assert_eq!(choice(&left, &right).mix, Mix::Both);
        // One channel, then two of which one is turned over.
        let mut choosing = Choosing::default();
        choosing.push(Piece { left: &clip(), right: None });
        choosing.push(Piece { left: &clip(), right: Some(&scaled(-1.0)) });
        assert_eq!(choosing.finish().mix, Mix::Both);
    }

    #[test]
    fn a_voice_in_one_channel_turned_over_under_a_hum_in_both_is_not_lost() {
        let hum = |at: usize| 0.3 * (std::f32::consts::TAU * 100.0 * at as f32 / 16_000.0).sin();
        let with = |sign: f32| -> Vec<f32> { clip().iter().enumerate().map(|(at, s)| sign * s + hum(at)).collect() };
        assert_eq!(choice(&with(1.0), &with(-1.0)).mix, Mix::Both);
    }

    #[test]
    fn a_voice_that_only_the_difference_holds_under_something_louder_in_both_is_not_lost() {
        let loud = noise(clip().len(), 0.5);
        let with = |sign: f32| -> Vec<f32> { scaled(sign * 0.05).iter().zip(&loud).map(|(s, l)| s + l).collect() };
        assert_eq!(choice(&with(1.0), &with(-1.0)).mix, Mix::Both);
        assert_eq!(choice(&with(1.0), &scaled(-1.0)).mix, Mix::Both);
    }

    #[test]
    fn what_cannot_be_heard_is_known_without_a_detector_and_a_roar_is_told() {
        let silent = choice(&vec![0.0; 100_000], &vec![0.0; 100_000]);
        assert_eq!(silent, Choice::default());
        assert!(!choice(&noise(100_000, 0.001), &noise(100_000, 0.001)).audible);
        assert!(choice(&noise(100_000, 0.01), &noise(100_000, 0.01)).audible);
        let (loud, quiet) = (noise(51_200, 0.5), vec![0.0; 51_200]);
        let roar = |samples: &[f32]| choice(samples, samples).roar;
        assert!(roar(&loud) && roar(&[&loud[..], &loud, &quiet].concat()));
        assert!(!roar(&[loud, quiet].concat()) && !roar(&clip()));
    }
}
