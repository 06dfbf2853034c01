//! From where somebody speaks, and how loud each tenth of a second is made for detectors, to how a recording is heard: a
//! factor is kept as long as it is about right, so that an engine hears a voice and not its level going up and down.

use domain::Levels;
use domain::levels::{MAX_STRETCHES, Mix, Stretch};

use crate::detect::{MIN_PAUSE_MS, Region};
use crate::level::BLOCK_MS;

/// A factor is kept while what is loudest in it is at most so much louder than the rest: 12 dB.
const RIGHT_WITHIN: f32 = 4.0;
/// Runs that follow one another are heard by one factor if theirs are this near: 6 dB.
const ALIKE: f32 = 2.0;
/// Within a region, what is shorter than so many blocks is a sound of a word: it is heard as the rest of the word.
const SHORTEST: u32 = 3;
/// At the ends of a region is the noise before and behind a voice: blocks that say nothing of it, if there are others.
const EDGE: u32 = 2;

/// What was heard of one channel, or of one sum of both.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    pub regions: Vec<Region>,
    /// Of each block.
    pub factors: Vec<f32>,
}

impl Voice {
    fn factor(&self, block: u32) -> f32 {
        let last = self.factors.last().copied().unwrap_or(1.0);
        self.factors.get(block as usize).copied().unwrap_or(last)
    }
}

/// A part of a region, and by what it is heard.
type Part = (Region, Mix);

/// How a part of a recording is heard in which these voices are: one, or that of the left and that of the right channel.
/// Their times count from `from_ms`, a whole block; what they hold is said to begin there.
pub(crate) fn stretches(mix: Mix, voices: &[Voice], from_ms: u32) -> Vec<Stretch> {
    match voices {
        [left, right] => {
            let parts: Vec<Part> = groups(&left.regions, &right.regions).into_iter().flat_map(by_channel).collect();
            let factor = |mix, block| match mix {
                Mix::Left => left.factor(block),
                Mix::Right => right.factor(block),
                // The louder one says how far both are raised.
                _ => left.factor(block).min(right.factor(block)),
            };
            stretches_of(&parts, factor, from_ms)
        }
        [one] => {
            let parts: Vec<Part> = one.regions.iter().map(|region| (*region, mix)).collect();
            stretches_of(&parts, |_, block| one.factor(block), from_ms)
        }
        _ => Vec::new(),
    }
}

/// How a whole recording is heard. Where there are too many stretches, a factor may be off by more.
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

/// Where any of the voices speaks.
pub(crate) fn anywhere(voices: &[Voice]) -> Vec<Region> {
    let [left, right] = voices else {
        return voices.first().map(|one| one.regions.clone()).unwrap_or_default();
    };
    let mut all: Vec<Region> = Vec::new();
    for group in groups(&left.regions, &right.regions) {
        let (Some((first, ..)), Some((last, ..))) = (group.first(), group.last()) else { continue };
        match all.last_mut() {
            Some(before) if first.start_ms - before.end_ms < MIN_PAUSE_MS => before.end_ms = last.end_ms,
            _ => all.push(Region { start_ms: first.start_ms, end_ms: last.end_ms }),
        }
    }
    all
}

/// Parts that follow one another without a pause, and in which channels somebody speaks.
type Group = Vec<(Region, bool, bool)>;

fn groups(left: &[Region], right: &[Region]) -> Vec<Group> {
    let mut borders: Vec<u32> = left.iter().chain(right).flat_map(|region| [region.start_ms, region.end_ms]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut groups: Vec<Group> = Vec::new();
    let (mut in_left, mut in_right) = (0, 0);
    for border in borders.windows(2) {
        let part = Region { start_ms: border[0], end_ms: border[1] };
        let (speaks_left, speaks_right) = (holds(left, &mut in_left, part), holds(right, &mut in_right, part));
        if !speaks_left && !speaks_right {
            continue;
        }
        let part = (part, speaks_left, speaks_right);
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|(last, ..)| last.end_ms == part.0.start_ms) => group.push(part),
            _ => groups.push(vec![part]),
        }
    }
    groups
}

/// Whether a part lies in one of the regions. Asked in order.
fn holds(regions: &[Region], at: &mut usize, part: Region) -> bool {
    while regions.get(*at).is_some_and(|region| region.end_ms <= part.start_ms) {
        *at += 1;
    }
    regions.get(*at).is_some_and(|region| region.start_ms <= part.start_ms)
}

/// One voice in both channels is heard by both; two that speak in turns, each by its own.
fn by_channel(group: Group) -> Vec<Part> {
    let lasts = |of: fn(&(Region, bool, bool)) -> bool| -> u32 {
        group.iter().filter(|part| of(part)).map(|(part, ..)| part.end_ms - part.start_ms).sum()
    };
    let (all, together) = (lasts(|_| true), lasts(|(_, left, right)| *left && *right));
    if together * 2 >= all
        && let (Some((first, ..)), Some((last, ..))) = (group.first(), group.last())
    {
        return vec![(Region { start_ms: first.start_ms, end_ms: last.end_ms }, Mix::Both)];
    }
    let mix = |left, right| match (left, right) {
        (true, true) => Mix::Both,
        (true, false) => Mix::Left,
        _ => Mix::Right,
    };
    group.into_iter().map(|(part, left, right)| (part, mix(left, right))).collect()
}

/// What is heard by one factor: that of its loudest block.
struct Run {
    from_ms: u32,
    /// The regions that its first and its last block lie in.
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
                    // In the middle of the pause before it, so that it has glided there when somebody speaks.
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

/// A soft sound within a word changes nothing, and a voice is not made a little louder and softer by turns.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    // The highest factor among those that became the last run.
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
mod tests {
    use super::*;

    fn region(start_ms: u32, end_ms: u32) -> Region {
        Region { start_ms, end_ms }
    }

    fn found(levels: &Levels) -> Vec<(u32, f32, Mix)> {
        levels.stretches().iter().map(|s| (s.start_ms(), s.factor().round(), s.mix)).collect()
    }

    #[test]
    fn a_factor_is_kept_while_it_is_about_right_and_changes_in_the_pause() {
        let factors = [vec![10.0; 20], vec![17.0; 30], vec![50.0; 50]].concat();
        let voice = Voice { regions: vec![region(500, 2_000), region(4_000, 9_000)], factors };
        assert_eq!(found(&levels(stretches(Mix::Side, &[voice], 0))), [(0, 10.0, Mix::Side), (5_000, 50.0, Mix::Side)]);
    }

    #[test]
    fn soft_sounds_within_a_word_and_small_changes_leave_the_factor_as_it_is() {
        let factors = [vec![2.0; 20], vec![20.0; 2], vec![3.0; 28], vec![20.0; 10], vec![1.6; 40]].concat();
        let voice = Voice { regions: vec![region(0, 10_000)], factors };
        let found = found(&levels(stretches(Mix::Mid, &[voice], 0)));
        assert_eq!(found, [(0, 2.0, Mix::Mid), (5_000, 20.0, Mix::Mid), (6_000, 2.0, Mix::Mid)]);
    }

    #[test]
    fn voices_that_take_turns_are_heard_by_their_channels_and_one_in_both_by_both() {
        let left = Voice { regions: vec![region(0, 1_000), region(5_000, 8_000)], factors: vec![2.0; 100] };
        let right = Voice { regions: vec![region(900, 3_000), region(5_100, 7_900)], factors: vec![20.0; 100] };
        let voices = [left, right];
        assert_eq!(
            found(&levels(stretches(Mix::Both, &voices, 0))),
            [(0, 2.0, Mix::Left), (900, 2.0, Mix::Both), (1_000, 20.0, Mix::Right), (4_000, 2.0, Mix::Both)]
        );
        assert_eq!(anywhere(&voices), [region(0, 3_000), region(5_000, 8_000)]);
    }

    #[test]
    fn regions_of_both_channels_stay_a_pause_apart() {
        let left = Voice { regions: vec![region(0, 1_000)], ..Voice::default() };
        let right = Voice { regions: vec![region(1_300, 2_000), region(2_400, 3_000)], ..Voice::default() };
        assert_eq!(anywhere(&[left, right]), [region(0, 2_000), region(2_400, 3_000)]);
    }

    #[test]
    fn two_days_of_changes_are_within_the_bound() {
        let regions: Vec<Region> = (0..86_400u32).map(|at| region(at * 2_000, at * 2_000 + 1_500)).collect();
        let factors = (0..1_728_000).map(|block| if block / 20 % 2 == 0 { 1.0 } else { 50.0 }).collect();
        let found = stretches(Mix::Mid, &[Voice { regions, factors }], 0);
        assert!(found.len() > MAX_STRETCHES);
        let levels = levels(found);
        assert!(levels.pack().len() <= domain::levels::MAX_LEVELS_BYTES);
    }
}
