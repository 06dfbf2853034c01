//! Cuts audio that is longer than an engine accepts where it is quietest. Such audio occurs because a plan survives a change
//! of the engine.

use std::time::Duration;

use super::remux::length;
use crate::engine::{Audio, Frames, SAMPLE_RATE, Transcript};

/// The length of the quiet stretch to cut in.
const QUIET: Duration = Duration::from_millis(100);
/// The audio that an Opus decoder drops at the start of a file.
const LOOK_AHEAD: Duration = Duration::from_micros(6_500);

/// Cuts the audio into pieces of at most `most`, each with its start.
pub(super) fn pieces(audio: Audio<'_>, most: Duration) -> Vec<(Duration, Audio<'_>)> {
    // A lower limit would be a mistake of the caller.
    let most = most.max(4 * QUIET);
    let (mut pieces, mut start, mut rest) = (Vec::new(), Duration::ZERO, audio);
    while rest.duration > most {
        let (piece, after) = match rest.frames {
            Some(frames) if frames.packets.is_empty() => break,
            Some(frames) => cut_frames(frames, rest.duration, most),
            None => cut_samples(rest.samples, most),
        };
        let length = piece.duration;
        if length.is_zero() {
            // The packets are shorter than the stated duration.
            break;
        }
        pieces.push((start, piece));
        (start, rest) = (start + length, after);
    }
    pieces.push((start, rest));
    pieces
}

fn cut_samples(samples: &[f32], most: Duration) -> (Audio<'_>, Audio<'_>) {
    let count = |time: Duration| (time.as_micros() as usize) * SAMPLE_RATE as usize / 1_000_000;
    let (most, quiet) = (count(most).min(samples.len()), count(QUIET));
    let step = quiet / 10;
    let energy = |at: usize| samples[at..at + quiet].iter().map(|sample| sample * sample).sum::<f32>();
    let starts = (most - most / 5..most - quiet).step_by(step);
    let quietest = starts.min_by(|a, b| energy(*a).total_cmp(&energy(*b))).unwrap_or(most - quiet);
    let (now, later) = samples.split_at(quietest + quiet / 2);
    (Audio::new(now), Audio::new(later))
}

/// Cuts where packets have the fewest bytes, because quiet audio needs fewer bytes. There must be at least one packet.
fn cut_frames(frames: Frames<'_>, duration: Duration, most: Duration) -> (Audio<'_>, Audio<'_>) {
    let mut ends = Vec::with_capacity(frames.packets.len());
    let mut at = 0;
    for packet in frames.packets {
        at += length(packet);
        // The times count from the start of the audio, so the lead is subtracted.
        ends.push(Duration::from_micros(at * 1_000_000 / 48_000).saturating_sub(frames.lead));
    }
    let first = ends.partition_point(|end| *end < most - most / 5);
    let last = ends.partition_point(|end| *end <= most);
    let run = |at: usize| {
        let near = at.saturating_sub(2)..(at + 3).min(ends.len());
        frames.packets[near].iter().map(Vec::len).sum::<usize>()
    };
    // Among equally quiet cuts, the last one is taken, to get fewer pieces.
    let after = (first..last).rev().min_by_key(|at| run(*at)).unwrap_or(first.min(ends.len() - 1));
    let end = ends.get(after).copied().unwrap_or(most).min(duration);
    // The next piece begins with the packets that its decoder needs to start.
    let before = ends.partition_point(|packet_end| *packet_end + LOOK_AHEAD <= end);
    let begins = if before == 0 { Duration::ZERO } else { ends[before - 1] };
    let lead = if before == 0 { end + frames.lead } else { end - begins };
    let now = Frames { packets: &frames.packets[..=after], lead: frames.lead };
    let later = Frames { packets: &frames.packets[before..], lead };
    (Audio::opus(now, end), Audio::opus(later, duration - end))
}

/// Appends the transcript of the piece that began at `start`.
pub(super) fn join(whole: &mut Transcript, start: Duration, piece: Transcript) {
    let start = u32::try_from(start.as_millis()).unwrap_or(u32::MAX);
    whole.language = whole.language.take().or(piece.language);
    for mut line in piece.lines {
        let words = line.words.iter_mut().flatten().flat_map(|word| [&mut word.start_ms, &mut word.end_ms]);
        [&mut line.start_ms, &mut line.end_ms].into_iter().chain(words).for_each(|at| *at = at.saturating_add(start));
        whole.lines.push(line);
    }
}

#[cfg(test)]
mod tests;
