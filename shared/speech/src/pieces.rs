//! Cuts audio that is longer than an engine accepts where it is quietest, whether it is samples or Opus packets.
//!
//! Such audio occurs because a plan is made for the engine that is configured at that time and outlives it.

mod packets;

use std::time::Duration;

use crate::engine::{Audio, SAMPLE_RATE};
use packets::Timeline;

/// The distance between possible cuts, so that the times of pieces are whole milliseconds.
const STEP: Duration = Duration::from_millis(10);
const STEP_SAMPLES: usize = SAMPLE_RATE as usize / 100;
/// The length of the quiet stretch to cut in, 100 ms, the same as in the planning of segments.
const QUIET_STEPS: usize = 10;
/// The shortest limit of a piece: there has to be room to look for a quiet stretch.
const SHORTEST: Duration = Duration::from_secs(1);

/// A part of longer audio.
pub struct Piece<'a> {
    /// Where the piece begins in the whole audio.
    pub start_ms: u32,
    pub audio: Audio<'a>,
}

/// Cuts audio into pieces of at most `longest` (at least 1 s), each at the quietest 100 ms in the last fifth of the longest
/// possible piece. Every moment of the audio is in exactly one piece. The last piece has at least a tenth of `longest`,
/// unless it is the only one.
pub fn pieces(audio: Audio<'_>, longest: Duration) -> Vec<Piece<'_>> {
    let longest = longest.max(SHORTEST);
    if audio.duration <= longest {
        return vec![Piece { start_ms: 0, audio }];
    }
    let timeline = audio.frames.map(|frames| Timeline::new(frames, audio.duration));
    let loudness = match &timeline {
        Some(timeline) => timeline.loudness(STEP),
        None => audio.samples.chunks(STEP_SAMPLES).map(power).collect(),
    };
    let part = |from: usize, to: usize| match &timeline {
        Some(timeline) => timeline.part(time(from), time(to)),
        None => Audio::new(&audio.samples[from * STEP_SAMPLES..audio.samples.len().min(to * STEP_SAMPLES)]),
    };
    let longest = usize::try_from(longest.as_micros() / STEP.as_micros()).unwrap_or(usize::MAX);
    let bounds = [vec![0], cuts(&loudness, longest), vec![loudness.len()]].concat();
    let piece = |bounds: &[usize]| Piece { start_ms: to_ms(time(bounds[0])), audio: part(bounds[0], bounds[1]) };
    bounds.windows(2).map(piece).collect()
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

fn time(step: usize) -> Duration {
    STEP * u32::try_from(step).unwrap_or(u32::MAX)
}

fn to_ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// The steps to cut at, for audio with this loudness in each step. Without all cuts, a piece has more than `longest` steps.
fn cuts(loudness: &[f32], longest: usize) -> Vec<usize> {
    let (mut cuts, mut start) = (Vec::new(), 0);
    while loudness.len() - start > longest {
        let rest = loudness.len() - start;
        start = quietest(loudness, start + longest / 5 * 4, start + longest.min(rest - longest / 10));
        cuts.push(start);
    }
    cuts
}

/// The middle of the quietest 100 ms between two steps. If several are equally quiet, the last one is taken, to get fewer
/// pieces.
fn quietest(loudness: &[f32], from: usize, to: usize) -> usize {
    let sums = loudness[from..to].windows(QUIET_STEPS).map(|quiet| quiet.iter().sum::<f32>());
    let (mut best, mut least) = (0, f32::INFINITY);
    for (index, sum) in sums.enumerate() {
        if sum <= least {
            (best, least) = (index, sum);
        }
    }
    from + best + QUIET_STEPS / 2
}

#[cfg(test)]
mod tests;
