//! Computes how a recording is heard by engines from where somebody speaks and from the gains that detectors got. A
//! factor is kept as long as it is about right, so that an engine does not hear a voice whose level goes up and down.

use std::ops::Range;

use domain::Levels;
use domain::levels::{MAX_STRETCHES, Mix, Stretch};

use crate::detect::{MIN_PAUSE_MS, Region};
use crate::level::BLOCK_MS;

/// A factor is kept while the loudest block that it covers is at most this much louder than the quietest: 12 dB.
const RIGHT_WITHIN: f32 = 4.0;
/// Of the sum and the difference of both channels, one that is at most half as loud as the other adds little to it.
const MUCH_QUIETER: f32 = 0.5;
/// Consecutive runs share one factor if their factors differ by at most this: 6 dB.
const ALIKE: f32 = 2.0;
/// Within a region, a run that is shorter than this many blocks is treated as part of a word and gets the factor of the rest
/// of the word.
const SHORTEST: u32 = 3;
/// If both channels hold one voice, it is in both at once for at least this share of the time that it is in either: 85
/// %.
const ONE_VOICE: (u32, u32) = (17, 20);
/// A channel is much clearer than the other from this ratio on: 6 dB.
const MUCH_CLEARER: f32 = 2.0;
/// The sum or the difference is preferred to a channel if it is at most this much less clear: 3 dB.
const CLEAR_ENOUGH: f32 = 0.7;
/// Blocks beside a voice that show the noise: 4 s.
const NOISE_AROUND: usize = 40;
/// The least noise level that is assumed: a tenth of what is audible.
const LEAST_NOISE: f32 = 0.000_1;
/// Blocks at each end of a region that are ignored if there are others, because they hold the noise before and behind a
/// voice.
const EDGE: u32 = 2;

/// What was heard in one mix: one channel, the sum or the difference.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    pub regions: Vec<Region>,
    /// The factor of each block.
    pub factors: Vec<f32>,
    /// The level at which each block was recorded, without the frequencies below voices.
    pub levels: Vec<f32>,
}

impl Voice {
    fn factor(&self, block: u32) -> f32 {
        let last = self.factors.last().copied().unwrap_or(1.0);
        self.factors.get(block as usize).copied().unwrap_or(last)
    }

    /// The RMS level over these blocks.
    fn level(&self, blocks: Range<usize>) -> f32 {
        let levels = within(&self.levels, blocks);
        (levels.iter().map(|level| level * level).sum::<f32>() / levels.len().max(1) as f32).sqrt()
    }

    /// How far a voice stands out: its level relative to the quietest tenth of the blocks in and around it.
    fn clearness(&self, blocks: Range<usize>) -> f32 {
        let around = blocks.start.saturating_sub(NOISE_AROUND)..blocks.end + NOISE_AROUND;
        let mut levels = within(&self.levels, around).to_vec();
        let tenth = levels.len() / 10;
        if levels.is_empty() {
            return 0.0;
        }
        let noise = *levels.select_nth_unstable_by(tenth, f32::total_cmp).1;
        self.level(blocks) / noise.max(LEAST_NOISE)
    }
}

fn within(blocks: &[f32], range: Range<usize>) -> &[f32] {
    let end = range.end.min(blocks.len());
    &blocks[range.start.min(end)..end]
}

/// What was heard in a part of a recording.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    /// One voice, or four in [`ORDER`](Self::ORDER).
    pub voices: Vec<Voice>,
    /// For each block, the direction of the phase shift in which both channels add up; see
    /// [`ShiftDirection`](crate::phase_shift::ShiftDirection).
    pub shift_directions: Vec<f32>,
}

/// A part of a region, and the mix by which it is heard.
type Part = (Region, Mix);

impl Voices {
    /// The mixes that are listened to if no single one holds everything.
    pub const ORDER: [Mix; 4] = [Mix::Left, Mix::Right, Mix::Mid, Mix::Side];

    /// Returns the stretches, with `mix` if one was enough. Times in `self` count from `from_ms`, which is the start of
    /// a block.
    pub fn stretches(&self, mix: Mix, from_ms: u32) -> Vec<Stretch> {
        match &self.voices[..] {
            [left, right, mid, side] => {
                let factor = |mix, block| match mix {
                    Mix::Left => left.factor(block),
                    Mix::Right => right.factor(block),
                    Mix::Mid => mid.factor(block),
                    Mix::Side => side.factor(block),
                    // The louder channel limits how far both are raised.
                    Mix::Both | Mix::BothBack => left.factor(block).min(right.factor(block)),
                };
                let parts: Vec<Part> = self.groups().into_iter().flat_map(|group| self.by_channel(&group)).collect();
                stretches_of(&parts, factor, from_ms)
            }
            [one] => {
                let parts: Vec<Part> = one.regions.iter().map(|region| (*region, mix)).collect();
                stretches_of(&parts, |_, block| one.factor(block), from_ms)
            }
            _ => Vec::new(),
        }
    }

    /// Returns the regions in which any of the mixes holds speech.
    pub fn all_regions(&self) -> Vec<Region> {
        if let [one] = &self.voices[..] {
            return one.regions.clone();
        }
        let mut all: Vec<Region> = Vec::new();
        for group in self.groups() {
            let Some(whole) = whole(&group) else { continue };
            match all.last_mut() {
                Some(before) if whole.start_ms - before.end_ms < MIN_PAUSE_MS => before.end_ms = whole.end_ms,
                _ => all.push(whole),
            }
        }
        all
    }

    fn groups(&self) -> Vec<Group> {
        groups(&self.voices.iter().map(|voice| &voice.regions[..]).collect::<Vec<_>>())
    }

    /// Chooses the mix of each part. One voice in both channels is heard by both; two voices that take turns are each
    /// heard by their own channel.
    fn by_channel(&self, group: &Group) -> Vec<Part> {
        let is_in_both =
            |part: &SpeechPart| matches!((part.by(Mix::Left), part.by(Mix::Right)), (true, true) | (false, false));
        if let Some(whole) = whole(group) {
            let one_voice = is_one_voice(group) || self.one_holds_all(group, whole);
            if one_voice || lasts(group, is_in_both) * 2 >= lasts(group, |_| true) {
                return vec![(whole, self.of_both(group, whole, one_voice))];
            }
        }
        let mix = |part: &SpeechPart| match (part.by(Mix::Left), part.by(Mix::Right)) {
            (true, false) => Mix::Left,
            (false, true) => Mix::Right,
            // Where voices that take turns overlap, there are two of them.
            _ => self.of_both(std::slice::from_ref(part), part.region, false),
        };
        group.iter().map(|part| (part.region, mix(part))).collect()
    }

    /// One channel is much clearer, and the other speaks only where that one does, because noise covers the rest of it.
    fn one_holds_all(&self, group: &[SpeechPart], whole: Region) -> bool {
        let [left, right, ..] = &self.voices[..] else { return false };
        let [clear_left, clear_right] = [left, right].map(|voice| voice.clearness(blocks(whole)));
        let other = if clear_left >= clear_right { Mix::Right } else { Mix::Left };
        let in_both = lasts(group, |part| part.by(Mix::Left) && part.by(Mix::Right));
        let is_within = in_both * ONE_VOICE.1 >= lasts(group, |part| part.by(other)) * ONE_VOICE.0;
        is_within && clear_left.max(clear_right) >= MUCH_CLEARER * clear_left.min(clear_right)
    }

    /// Chooses the mix for sound that is in both channels, or is covered in each: the sum or the difference, if one of
    /// them holds most of it. Otherwise, for one voice, the clearer channel, because the other one adds noise or an
    /// echo; for two voices both channels, phase-shifted so that they add up.
    fn of_both(&self, group: &[SpeechPart], whole: Region, one_voice: bool) -> Mix {
        let [left, right, mid, side] = &self.voices[..] else { return Mix::Both };
        let blocks = blocks(whole);
        // A sum is taken for one voice only if nearly all of the voice is in it, because the channels have all of it.
        let (share, of) = if one_voice { ONE_VOICE } else { (1, 2) };
        let mostly = |mix| lasts(group, |part| part.by(mix)) * of >= lasts(group, |_| true) * share;
        let (by_mid, by_side) = (mostly(Mix::Mid), mostly(Mix::Side));
        let (loud_mid, loud_side) = (mid.level(blocks.clone()), side.level(blocks.clone()));
        let in_channels = lasts(group, |part| part.by(Mix::Left) || part.by(Mix::Right)) > 0;
        let [clear_left, clear_right, clear_mid, clear_side] =
            [left, right, mid, side].map(|voice| voice.clearness(blocks.clone()));
        let (clearer, clear) =
            if clear_left >= clear_right { (Mix::Left, clear_left) } else { (Mix::Right, clear_right) };
        let by_mid = by_mid && (!one_voice || clear_mid >= clear * CLEAR_ENOUGH);
        let by_side = by_side && (!one_voice || clear_side >= clear * CLEAR_ENOUGH);
        match (by_mid, by_side) {
            (true, false) => Mix::Mid,
            (false, true) => Mix::Side,
            (true, true) if loud_side <= loud_mid * MUCH_QUIETER => Mix::Mid,
            (true, true) if loud_mid <= loud_side * MUCH_QUIETER => Mix::Side,
            _ if one_voice => clearer,
            _ if !in_channels => {
                if loud_mid >= loud_side {
                    Mix::Mid
                } else {
                    Mix::Side
                }
            }
            _ if within(&self.shift_directions, blocks).iter().sum::<f32>() < 0.0 => Mix::BothBack,
            _ => Mix::Both,
        }
    }
}

/// Returns the levels of a whole recording. If there are too many stretches, factors may be less exact.
pub(crate) fn levels(mut stretches: Vec<Stretch>) -> Levels {
    let mut right_within = RIGHT_WITHIN;
    while stretches.len() > MAX_STRETCHES && right_within < 1e9 {
        let mut now: Option<Stretch> = None;
        stretches.retain(|stretch| {
            let stays = now.is_none_or(|now| {
                let by = stretch.factor() / now.factor();
                stretch.mix != now.mix || !(1.0 / right_within..=right_within).contains(&by)
            });
            now = if stays { Some(*stretch) } else { now };
            stays
        });
        right_within *= 2.0;
    }
    Levels::of(stretches)
}

/// A part of a region during which the same mixes hold speech.
#[derive(Clone, Copy, Debug)]
struct SpeechPart {
    region: Region,
    /// Whether each mix of [`Voices::ORDER`] holds speech.
    by: [bool; 4],
}

impl SpeechPart {
    fn by(&self, mix: Mix) -> bool {
        Voices::ORDER.iter().zip(self.by).any(|(one, hears)| *one == mix && hears)
    }
}

/// Consecutive parts without a pause.
type Group = Vec<SpeechPart>;

fn whole(group: &[SpeechPart]) -> Option<Region> {
    let (first, last) = (group.first()?, group.last()?);
    Some(Region { start_ms: first.region.start_ms, end_ms: last.region.end_ms })
}

fn blocks(of: Region) -> Range<usize> {
    (of.start_ms / BLOCK_MS) as usize..of.end_ms.div_ceil(BLOCK_MS) as usize
}

/// Both channels speak and are silent at the same times.
fn is_one_voice(group: &[SpeechPart]) -> bool {
    let in_both = lasts(group, |part| part.by(Mix::Left) && part.by(Mix::Right));
    in_both * ONE_VOICE.1 >= lasts(group, |_| true) * ONE_VOICE.0
}

fn lasts(group: &[SpeechPart], of: impl Fn(&SpeechPart) -> bool) -> u32 {
    group.iter().filter(|part| of(part)).map(|part| part.region.end_ms - part.region.start_ms).sum()
}

fn groups(voices: &[&[Region]]) -> Vec<Group> {
    let mut borders: Vec<u32> =
        voices.iter().copied().flatten().flat_map(|region| [region.start_ms, region.end_ms]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut groups: Vec<Group> = Vec::new();
    let mut places = [0; 4];
    for border in borders.windows(2) {
        let region = Region { start_ms: border[0], end_ms: border[1] };
        let mut by = [false; 4];
        for ((voice, place), by) in voices.iter().zip(&mut places).zip(&mut by) {
            *by = holds(voice, place, region);
        }
        if by == [false; 4] {
            continue;
        }
        let part = SpeechPart { region, by };
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| last.region.end_ms == region.start_ms) => group.push(part),
            _ => groups.push(vec![part]),
        }
    }
    groups
}

/// Whether a part lies in one of the regions. Parts have to be asked for in order.
fn holds(regions: &[Region], at: &mut usize, part: Region) -> bool {
    while regions.get(*at).is_some_and(|region| region.end_ms <= part.start_ms) {
        *at += 1;
    }
    regions.get(*at).is_some_and(|region| region.start_ms <= part.start_ms)
}

/// Consecutive blocks that are heard with one factor, that of the loudest block.
struct Run {
    from_ms: u32,
    /// The numbers of the parts in which the first and the last block lie.
    regions: (usize, usize),
    blocks: u32,
    mix: Mix,
    lowest: f32,
    highest: f32,
}

impl Run {
    fn fits(&self, wanted: f32) -> bool {
        self.highest.max(wanted) <= self.lowest.min(wanted) * RIGHT_WITHIN
    }

    fn is_sound_of(&self, region: usize) -> bool {
        self.blocks < SHORTEST && self.regions == (region, region)
    }

    fn stretch(&self, begins_ms: u32) -> Stretch {
        Stretch::new(begins_ms + self.from_ms, self.lowest, self.mix)
    }
}

fn stretches_of(parts: &[Part], factor: impl Fn(Mix, u32) -> f32, begins_ms: u32) -> Vec<Stretch> {
    joined(runs(parts, factor)).iter().map(|run| run.stretch(begins_ms)).collect()
}

fn runs(parts: &[Part], factor: impl Fn(Mix, u32) -> f32) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before_ms = 0;
    for (number, &(region, mix)) in parts.iter().enumerate() {
        let (first, end) = (region.start_ms / BLOCK_MS, region.end_ms.div_ceil(BLOCK_MS));
        let edge = if end - first > 3 * EDGE { EDGE } else { 0 };
        for block in first + edge..end - edge {
            let wanted = factor(mix, block);
            match runs.last_mut() {
                Some(run) if run.mix == mix && run.fits(wanted) => {
                    (run.lowest, run.highest) = (run.lowest.min(wanted), run.highest.max(wanted));
                    (run.regions.1, run.blocks) = (number, run.blocks + 1);
                }
                _ => {
                    // The run begins in the middle of the pause before it, so that the factor has arrived when somebody
                    // speaks.
                    let pause_ms = region.start_ms - before_ms;
                    let from_ms = if block == first + edge { region.start_ms - pause_ms / 2 } else { block * BLOCK_MS };
                    let regions = (number, number);
                    runs.push(Run { from_ms, regions, blocks: 1, mix, lowest: wanted, highest: wanted });
                }
            }
        }
        before_ms = region.end_ms;
    }
    runs
}

/// Joins runs: a soft sound within a word changes nothing, and a voice does not become a little louder and softer in
/// turns.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    // The highest factor among the runs that were joined into the last one.
    let mut highest = 0.0f32;
    let mut runs = runs.into_iter().peekable();
    while let Some(run) = runs.next() {
        if let Some(next) = runs.peek_mut()
            && next.mix == run.mix
            && run.is_sound_of(next.regions.0)
            && next.lowest < run.lowest
        {
            next.from_ms = run.from_ms;
            continue;
        }
        match joined.last_mut() {
            Some(last) if last.mix == run.mix && run.is_sound_of(last.regions.1) && last.lowest < run.lowest => {}
            Some(last) if last.mix == run.mix && highest.max(run.lowest) <= last.lowest.min(run.lowest) * ALIKE => {
                highest = highest.max(run.lowest);
                (last.lowest, last.regions.1) = (last.lowest.min(run.lowest), run.regions.1);
                last.blocks += run.blocks;
            }
            _ => {
                highest = run.lowest;
                joined.push(run);
            }
        }
    }
    joined
}

#[cfg(test)]
mod tests;
