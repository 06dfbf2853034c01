//! Turns speech into segments, the units that are transcribed, placed and billed.
//!
//! Regions are joined while the pause between them is short and the segment fits the engine. A region that is longer
//! than the engine prefers is cut at its quietest point. Padding is added at the outer ends only and never reaches into
//! a neighbour: segments do not overlap, so no two of them have the same start and no speech is heard twice.

use std::time::Duration;

use crate::detect::Region;
use crate::loudness_track::Track;

/// The time of a segment in its recording: from `start_ms` up to, but without, `end_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub start_ms: u32,
    pub end_ms: u32,
}

impl Span {
    pub const fn duration_ms(self) -> u32 {
        self.end_ms - self.start_ms
    }
}

/// The rules by which regions become segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRules {
    join_gap_ms: u32,
    padding_ms: u32,
    preferred_ms: u32,
}

/// A pause that is at least this long ends a segment.
const JOIN_GAP_MS: u32 = 2_000;
/// The audio that is added before and behind speech, because detectors recognise the first and last sounds of a word
/// late.
pub(crate) const PADDING_MS: u32 = 200;
/// The length of the quiet stretch at which speech is cut. It is longer than the silence in a stop consonant.
pub(crate) const QUIET_MS: u32 = 100;
/// Engines need at least a tenth of a second, and the search for a quiet cut needs room.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3_600);

impl SegmentRules {
    /// The rules for an engine that prefers spans of at most `preferred`, limited to 1 s to 1 h.
    pub fn new(preferred: Duration) -> Self {
        let preferred = preferred.clamp(SHORTEST, LONGEST);
        // At most 3,600,000, so nothing is truncated.
        Self { join_gap_ms: JOIN_GAP_MS, padding_ms: PADDING_MS, preferred_ms: preferred.as_millis() as u32 }
    }

    /// Joins regions whose pause is shorter than this.
    #[must_use]
    pub fn joining_below(mut self, gap: Duration) -> Self {
        self.join_gap_ms = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
        self
    }

    pub const fn preferred_ms(&self) -> u32 {
        self.preferred_ms
    }
}

/// Returns the segments of a recording: sorted, without overlap, none longer than preferred, with every millisecond of
/// the regions in exactly one of them. The regions have to be sorted and must not overlap.
pub fn segments(regions: &[Region], duration_ms: u32, rules: &SegmentRules, track: &Track) -> Vec<Span> {
    segments_within(regions, Span { start_ms: 0, end_ms: duration_ms }, rules, track)
}

/// Returns the segments of a part of a recording. All regions lie within the part, and no segment reaches beyond it.
pub(crate) fn segments_within(regions: &[Region], part: Span, rules: &SegmentRules, track: &Track) -> Vec<Span> {
    let mut done = Vec::new();
    let mut open: Option<Span> = None;
    for (index, region) in regions.iter().enumerate() {
        let padded = pad(regions, index, part, rules.padding_ms);
        let pause = index.checked_sub(1).map_or(0, |before| region.start_ms - regions[before].end_ms);
        match &mut open {
            Some(span) if pause < rules.join_gap_ms && padded.end_ms - span.start_ms <= rules.preferred_ms => {
                span.end_ms = padded.end_ms;
            }
            _ => {
                done.extend(open.take());
                open = Some(cut_long(padded, region.end_ms, rules, track, &mut done));
            }
        }
    }
    done.extend(open);
    done
}

/// Widens a region, but at most to the middle of the pauses beside it.
fn pad(regions: &[Region], index: usize, part: Span, padding_ms: u32) -> Span {
    let region = regions[index];
    let before = index.checked_sub(1).map_or(part.start_ms, |before| middle(regions[before].end_ms, region.start_ms));
    let after = regions.get(index + 1).map_or(part.end_ms, |after| middle(region.end_ms, after.start_ms));
    Span {
        start_ms: region.start_ms.saturating_sub(padding_ms).max(before),
        end_ms: region.end_ms.saturating_add(padding_ms).min(after),
    }
}

fn middle(from_ms: u32, to_ms: u32) -> u32 {
    from_ms + (to_ms - from_ms) / 2
}

/// Cuts pieces off until the rest is short enough, and returns the rest. Padding at the end is given up first, so that
/// no piece without speech is cut off.
fn cut_long(mut rest: Span, speech_end_ms: u32, rules: &SegmentRules, track: &Track, done: &mut Vec<Span>) -> Span {
    while speech_end_ms > rest.start_ms + rules.preferred_ms {
        let from = rest.start_ms + rules.preferred_ms / 5 * 4;
        let to = (rest.start_ms + rules.preferred_ms).min(speech_end_ms - QUIET_MS);
        let cut = track.quietest(from, to, QUIET_MS).map_or(middle(from, to), |start| start + QUIET_MS / 2);
        done.push(Span { start_ms: rest.start_ms, end_ms: cut });
        rest.start_ms = cut;
    }
    Span { end_ms: rest.end_ms.min(rest.start_ms + rules.preferred_ms), ..rest }
}

/// Returns how much of a span is speech, without its padding and pauses. The regions are sorted and do not overlap.
pub(crate) fn speech_ms_in(regions: &[Region], span: Span) -> u32 {
    let first = regions.partition_point(|region| region.end_ms <= span.start_ms);
    let inside = regions[first..].iter().take_while(|region| region.start_ms < span.end_ms);
    inside.map(|region| region.end_ms.min(span.end_ms) - region.start_ms.max(span.start_ms)).sum()
}

#[cfg(test)]
mod tests;
