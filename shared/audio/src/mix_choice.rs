//! Chooses the mix of channels by which a recording is heard, once and from the whole recording.
//!
//! Half the sum of both channels loses a voice that is inverted in one of them, and half the difference loses what is
//! the same in both. One of the two is enough only where the other never holds anything of its own, and one channel is
//! enough only where the other is dead. In all other cases left, right, half the sum and half the difference are listened
//! to, each by itself, because a voice may be covered in every one of them but one.

use domain::levels::Mix;

use crate::channels::Piece;
use crate::gain::{Decided, Gains};
use crate::level::{AUDIBLE, Block, Meter};
use crate::packed::{Packer, Unpacker};

/// A signal that is 40 dB below the other at the same time is covered by it: it is rounding noise of a codec or
/// converter.
const COVERED: f32 = 0.01;
/// In blocks. A shorter sound is not speech.
const LEAST_SPEECH: u64 = 2;

/// What the first pass finds out about the channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    pub mix: Mix,
    /// Some of the recording is audible at its level.
    pub audible: bool,
    /// More than half of the recording is so loud that, without speech, it counts as noise and not as silence.
    pub roar: bool,
}

/// Measures one mix of the channels.
#[derive(Clone, Default)]
struct MixMeter {
    meter: Meter,
    gains: Gains,
    blocks: Vec<Block>,
    decided: Vec<Decided>,
}

impl MixMeter {
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

    /// The state this would have if it had received silence for as long.
    fn silent_copy(&self) -> Self {
        Self { meter: self.meter.silent(), gains: self.gains.silent(), blocks: Vec::new(), decided: Vec::new() }
    }
}

/// Counts of blocks by what they hold. Nothing else is kept of the blocks that were decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub all: u64,
    pub roaring: u64,
    /// Half the sum, or half the difference, holds something that the other does not cover.
    pub mid: u64,
    pub side: u64,
    /// The channel is audible.
    pub left: u64,
    pub right: u64,
}

/// Measures all mixes until it is known which of them are needed.
#[derive(Default)]
pub(crate) struct MixChooser {
    mid: MixMeter,
    /// Half the difference and both channels, once there are two.
    others: Option<Box<[MixMeter; 3]>>,
    counts: Counts,
}

impl MixChooser {
    pub fn push(&mut self, piece: Piece<'_>) {
        if let Some(right) = piece.right {
            let both = || piece.left.iter().zip(right);
            // Up to now both channels were the same.
            let others = self
                .others
                .get_or_insert_with(|| Box::new([self.mid.silent_copy(), self.mid.clone(), self.mid.clone()]));
            others[0].push(both().map(|(left, right)| (left - right) / 2.0));
            others[1].push(piece.left.iter().copied());
            others[2].push(right.iter().copied());
            self.mid.push(both().map(|(left, right)| (left + right) / 2.0));
        } else {
            self.mid.push(piece.left.iter().copied());
        }
        self.count();
    }

    /// Continues from earlier counts; nothing else of what was counted before is available.
    pub fn with_counts(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }

    /// Decides all blocks received so far and returns the counts.
    pub fn count_all(&mut self) -> Counts {
        self.finish();
        self.counts
    }

    pub fn finish(&mut self) -> Choice {
        self.mid.finish();
        if let Some(others) = &mut self.others {
            others.iter_mut().for_each(MixMeter::finish);
        }
        self.count();
        self.counts.choice()
    }

    fn count(&mut self) {
        let Self { mid, others, counts } = self;
        let nothing = (Block::default(), 1.0);
        for (at, mid) in mid.decided.drain(..).enumerate() {
            let [side, left, right] = match others.as_deref() {
                Some(others) => others.each_ref().map(|meter| meter.decided.get(at).copied().unwrap_or(nothing)),
                None => [nothing, mid, mid],
            };
            counts.take(mid, side, left, right);
        }
        if let Some(others) = others {
            others.iter_mut().for_each(|meter| meter.decided.clear());
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
        let mut chooser = MixChooser::default();
        for (left, right) in left.chunks(1_111).zip(right.chunks(1_111)) {
            chooser.push(Piece { left, right: Some(right) });
        }
        chooser.finish()
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
    fn equal_channels_choose_mid_and_inverted_channels_choose_side() {
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
    fn dead_channel_is_ignored_and_whispering_channel_is_kept() {
        let hiss = noise(clip().len(), 0.0008);
        assert_eq!(choice(&clip(), &nothing()).mix, Mix::Left);
        assert_eq!(choice(&nothing(), &clip()).mix, Mix::Right);
        assert_eq!(choice(&hiss, &clip()).mix, Mix::Right);
        assert_eq!(choice(&clip(), &scaled(0.1)).mix, Mix::Both);
        // The channels take turns, the second at a hundredth of the level.
        let (first, second) = ([clip(), nothing()].concat(), [nothing(), scaled(0.01)].concat());
        assert_eq!(choice(&first, &second).mix, Mix::Both);
    }

    #[test]
    fn recording_that_changes_in_the_middle_uses_both_channels() {
        let (left, right) = ([clip(), clip()].concat(), [clip(), scaled(-1.0)].concat());
        assert_eq!(choice(&left, &right).mix, Mix::Both);
        // First one channel, then two of which one is inverted.
        let mut chooser = MixChooser::default();
        chooser.push(Piece { left: &clip(), right: None });
        chooser.push(Piece { left: &clip(), right: Some(&scaled(-1.0)) });
        assert_eq!(chooser.finish().mix, Mix::Both);
    }

    #[test]
    fn voice_inverted_in_one_channel_under_hum_in_both_is_not_lost() {
        let hum = |at: usize| 0.3 * (std::f32::consts::TAU * 100.0 * at as f32 / 16_000.0).sin();
        let with = |sign: f32| -> Vec<f32> { clip().iter().enumerate().map(|(at, s)| sign * s + hum(at)).collect() };
        assert_eq!(choice(&with(1.0), &with(-1.0)).mix, Mix::Both);
    }

    #[test]
    fn voice_only_in_difference_under_louder_common_sound_is_not_lost() {
        let loud = noise(clip().len(), 0.5);
        let with = |sign: f32| -> Vec<f32> { scaled(sign * 0.05).iter().zip(&loud).map(|(s, l)| s + l).collect() };
        assert_eq!(choice(&with(1.0), &with(-1.0)).mix, Mix::Both);
        assert_eq!(choice(&with(1.0), &scaled(-1.0)).mix, Mix::Both);
    }

    #[test]
    fn inaudible_recording_is_recognised_without_detector_and_roar_is_reported() {
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
