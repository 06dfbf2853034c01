//! What each tenth of a second is multiplied by, so that a voice in it is as loud as listeners know voices: however loud
//! anything is a second earlier or later.
//!
//! A voice at a hundredth of its usual level is no voice to a detector, and half of it is missing for an engine. One gain
//! for a whole recording follows the loudest moment and loses everything that is much quieter: somebody farther away, and
//! the whole evening behind one slammed door. So a gain looks no farther than it must: a third of a second around loud
//! sounds, a second where it follows one voice over its softer sounds and its pauses, and fifteen where nothing but steady
//! noise is.

use crate::level::Block;

/// What a voice's loud windows have afterwards.
const WANTED: f32 = 0.2;
/// More than this only brings up the noise of the converter.
pub(crate) const MOST: f32 = 60.0;

/// Blocks on each side within which something loud rules. Two of them have to be loud: what lasts less than two blocks is
/// no speech.
const AROUND: usize = 3;
/// Within so many blocks of something louder a sound is taken for a part of it, but for one that is at most so much louder
/// than itself: 14 dB. A voice that is heard as much lower than others is still understood.
const FOLLOWED: usize = 10;
const SOFTER: f32 = 5.0;
/// The quietest tenth of so many blocks on each side says what the noise is: 4 s.
const NOISE_AROUND: usize = 40;
const NOISE_SHARE: usize = 10;
/// What is not louder than that by this is steady noise: 8 dB. It is not raised for its own sake.
const STEADY: f32 = 2.5;
/// Steady noise is heard as the voice beside it is, for 15 s: it is its pause. Farther away it is left as it is.
const HELD: usize = 150;

/// A block's gain depends on so many blocks before and behind it, and on no others.
pub(crate) const REACH: usize = NOISE_AROUND + HELD + FOLLOWED;

/// The factors of blocks that follow one another.
pub(crate) fn factors(blocks: &[Block]) -> Vec<f32> {
    let near = around(blocks, |block| block.loud);
    let louder = loudest(&near, FOLLOWED);
    let levels: Vec<f32> = near.iter().zip(&louder).map(|(near, louder)| louder.min(near * SOFTER)).collect();
    let stands_out: Vec<bool> = standing_out(blocks);
    // The peak of what stands out nearby, not the end of its fading.
    let heard: Vec<f32> = levels.iter().zip(&stands_out).map(|(level, out)| if *out { *level } else { 0.0 }).collect();
    let peaks = loudest(&heard, FOLLOWED);
    let held = held(&peaks, &stands_out);
    (0..blocks.len())
        .map(|at| match (stands_out[at], held[at]) {
            (true, _) => raised(levels[at]),
            // Never to more than twice its level: loud noise is not cut off beside a quiet voice.
            (false, Some(level)) => raised(level.max(near[at] / 2.0)),
            (false, None) => raised(near[at]).min(1.0),
        })
        .collect()
}

fn raised(level: f32) -> f32 {
    WANTED / level.max(WANTED / MOST)
}

/// The second loudest of the blocks around each.
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

/// Where nothing stands out: the level of what does, before and behind it, running from the one to the other.
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

/// Blocks that are decided at once.
const BATCH: usize = 100;

/// A block and what it is multiplied by.
pub(crate) type Decided = (Block, f32);

/// Decides as blocks come, [`REACH`] blocks late.
#[derive(Clone, Default)]
pub(crate) struct Gains {
    blocks: Vec<Block>,
    /// Of those, the decided ones.
    decided: usize,
}

impl Gains {
    /// Appends what can be decided so far.
    pub fn push(&mut self, block: Block, out: &mut Vec<Decided>) {
        self.blocks.push(block);
        if self.blocks.len() >= self.decided + REACH + BATCH {
            self.decide(self.blocks.len() - REACH, out);
        }
    }

    /// As it would be had there been nothing for as long.
    pub fn silent(&self) -> Self {
        Self { blocks: vec![Block::default(); self.blocks.len()], decided: self.decided }
    }

    /// Appends the rest.
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
