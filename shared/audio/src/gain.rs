//! Computes the gain of each block (a tenth of a second), so that a voice in it is as loud as detectors and engines
//! expect, however loud anything is a second earlier or later.
//!
//! A detector does not recognise a voice at a hundredth of its usual level, and an engine misses half of it. One gain
//! for a whole recording follows the loudest moment and loses everything that is much quieter: somebody farther away,
//! or the whole evening behind one slammed door. So a gain looks no farther than it must: a third of a second around
//! loud sounds, one second where it follows a voice over its softer sounds and pauses, and fifteen seconds where there
//! is only steady noise.

use crate::level::Block;

/// The level of a voice's loud windows after the gain is applied.
const WANTED: f32 = 0.2;
/// The greatest gain. A greater one would only bring up the noise of the converter.
pub(crate) const MOST: f32 = 60.0;

/// Blocks on each side within which a loud sound sets the gain. Two of them have to be loud, because a sound that is
/// shorter than two blocks is not speech.
const AROUND: usize = 3;
/// Within this many blocks of a louder sound, a sound is taken for a part of it and gets its gain, unless it is more
/// than 14 dB softer ([`SOFTER`]). A voice that is heard that much softer than others is still understood.
const FOLLOWED: usize = 10;
const SOFTER: f32 = 5.0;
/// The quietest tenth of this many blocks on each side gives the noise level: 4 s.
const NOISE_AROUND: usize = 40;
const NOISE_SHARE: usize = 10;
/// A sound that exceeds the noise level by less than this is steady noise: 8 dB. It is not raised for its own sake.
const STEADY: f32 = 2.5;
/// Steady noise within 15 s of a voice gets the gain of that voice, because it is the voice's pause. Farther away it is
/// not raised.
const HELD: usize = 150;

/// The gain of a block depends on this many blocks before and behind it, and on no others.
pub(crate) const REACH: usize = NOISE_AROUND + HELD + FOLLOWED;

/// Returns the factors of consecutive blocks.
pub(crate) fn factors(blocks: &[Block]) -> Vec<f32> {
    let near = around(blocks, |block| block.loud);
    let louder = loudest(&near, FOLLOWED);
    let levels: Vec<f32> = near.iter().zip(&louder).map(|(near, louder)| louder.min(near * SOFTER)).collect();
    let stands_out: Vec<bool> = standing_out(blocks);
    // The peak of the sound that stands out nearby, not the end of its fading.
    let heard: Vec<f32> = levels.iter().zip(&stands_out).map(|(level, out)| if *out { *level } else { 0.0 }).collect();
    let peaks = loudest(&heard, FOLLOWED);
    let held = held(&peaks, &stands_out);
    (0..blocks.len())
        .map(|at| match (stands_out[at], held[at]) {
            (true, _) => raised(levels[at]),
            // Noise is raised to at most twice the level that it would get for itself, so that loud noise beside a
            // quiet voice is not clipped.
            (false, Some(level)) => raised(level.max(near[at] / 2.0)),
            (false, None) => raised(near[at]).min(1.0),
        })
        .collect()
}

fn raised(level: f32) -> f32 {
    WANTED / level.max(WANTED / MOST)
}

/// Returns, for each block, the second loudest of the blocks around it.
fn around(blocks: &[Block], of: impl Fn(&Block) -> f32) -> Vec<f32> {
    let second = |at: usize| {
        let around = &blocks[at.saturating_sub(AROUND)..(at + AROUND + 1).min(blocks.len())];
        let (mut first, mut second) = (0.0f32, None);
        for level in around.iter().map(&of) {
            let lower = level.min(first);
            second = Some(second.map_or(lower, |second: f32| second.max(lower)));
            first = first.max(level);
        }
        if around.len() > 1 { second.unwrap_or(first) } else { first }
    };
    (0..blocks.len()).map(second).collect()
}

fn loudest(levels: &[f32], reach: usize) -> Vec<f32> {
    let within = |at: usize| &levels[at.saturating_sub(reach)..(at + reach + 1).min(levels.len())];
    (0..levels.len()).map(|at| within(at).iter().copied().fold(0.0, f32::max)).collect()
}

fn standing_out(blocks: &[Block]) -> Vec<bool> {
    let voices = around(blocks, |block| block.voice);
    let mut lows = Vec::new();
    let mut noise = |at: usize| {
        lows.clear();
        let within = &blocks[at.saturating_sub(NOISE_AROUND)..(at + NOISE_AROUND + 1).min(blocks.len())];
        lows.extend(within.iter().map(|block| block.low));
        let tenth = lows.len() / NOISE_SHARE;
        *lows.select_nth_unstable_by(tenth, f32::total_cmp).1
    };
    (0..blocks.len()).map(|at| voices[at] > 0.0 && voices[at] >= STEADY * noise(at)).collect()
}

/// Returns the level for each block in which nothing stands out: interpolated between the levels of the sounds before
/// and behind it that do.
fn held(peaks: &[f32], stands_out: &[bool]) -> Vec<Option<f32>> {
    let last_before = nearest(stands_out.iter().copied().enumerate());
    let mut next_behind = nearest(stands_out.iter().copied().enumerate().rev());
    next_behind.reverse();
    let within = |from: usize, to: Option<usize>| to.filter(|to| from.abs_diff(*to) <= HELD);
    (0..peaks.len())
        .map(|at| match (within(at, last_before[at]), within(at, next_behind[at])) {
            (Some(before), Some(behind)) if before != behind => {
                let along = (at - before) as f32 / (behind - before) as f32;
                Some(peaks[before].powf(1.0 - along) * peaks[behind].powf(along))
            }
            (Some(one), _) | (None, Some(one)) => Some(peaks[one]),
            (None, None) => None,
        })
        .collect()
}

fn nearest(stands_out: impl Iterator<Item = (usize, bool)>) -> Vec<Option<usize>> {
    let mut last = None;
    stands_out
        .map(|(at, out)| {
            last = if out { Some(at) } else { last };
            last
        })
        .collect()
}

/// The number of blocks that are decided at once.
const BATCH: usize = 100;

/// A block and its gain factor.
pub(crate) type Decided = (Block, f32);

/// Decides the gains of blocks as they come, [`REACH`] blocks late.
#[derive(Clone, Default)]
pub(crate) struct Gains {
    blocks: Vec<Block>,
    /// The number of these blocks that are decided.
    decided: usize,
}

impl Gains {
    /// Appends the blocks that can be decided so far.
    pub fn push(&mut self, block: Block, out: &mut Vec<Decided>) {
        self.blocks.push(block);
        if self.blocks.len() >= self.decided + REACH + BATCH {
            self.decide(self.blocks.len() - REACH, out);
        }
    }

    /// The state this would have if it had received silence for as long.
    pub fn silent(&self) -> Self {
        Self { blocks: vec![Block::default(); self.blocks.len()], decided: self.decided }
    }

    /// Decides and appends the remaining blocks.
    pub fn finish(&mut self, out: &mut Vec<Decided>) {
        self.decide(self.blocks.len(), out);
        *self = Self::default();
    }

    fn decide(&mut self, until: usize, out: &mut Vec<Decided>) {
        let factors = factors(&self.blocks);
        out.extend((self.decided..until).map(|at| (self.blocks[at], factors[at])));
        let gone = until.saturating_sub(REACH);
        self.blocks.drain(..gone);
        self.decided = until - gone;
    }
}

#[cfg(test)]
mod tests;
