//! Finds where there is speech, part by part. At each restart point the detector restarts, and what was found before it
//! becomes final.
//!
//! A part ends where it can be split: in the pause around the restart point, or, if speech continues across the restart
//! point, where it is quietest in the two seconds before. So a part needs nothing of the part before it but the time at
//! which that ended.

use domain::levels::{Mix, Stretch};

use crate::channels::Piece;
use crate::detect::{Detector, MIN_PAUSE_MS, Region};
use crate::engine_levels::Voices;
use crate::grid::WARM;
use crate::level::BLOCK;
use crate::loudness_track::Track;
use crate::mix_listeners::MixListeners;
use crate::resample::RATE;
use crate::segment::{PADDING_MS, QUIET_MS, SegmentRules, Span, segments_within, speech_ms_in};

/// Speech that continues across a restart point is cut within this time before it.
const CUT_WITHIN_MS: u32 = 2_000;
const SAMPLES_A_MS: u64 = RATE as u64 / 1000;

/// A segment, and how much of it is speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpeechSegment {
    pub span: Span,
    pub speech_ms: u32,
}

/// The results for everything before a restart point.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub segments: Vec<SpeechSegment>,
    /// The gain and mix of each stretch, in order.
    pub stretches: Vec<Stretch>,
    /// The end of the part before the restart point; the next part does not reach back across it.
    pub part_ends_ms: u32,
    /// If speech continues across the restart point, the time from which it belongs to the next part.
    pub open_ms: Option<u32>,
    /// The regions of the parts that this run listened to.
    #[cfg(test)]
    pub regions: Vec<Region>,
}

/// Listens to one part after another.
pub(crate) struct Listening<'d> {
    rules: SegmentRules,
    mix: Mix,
    listeners: MixListeners<'d>,
    track: Track,
    /// The restart point at which the part begins, and the time from which it was listened to.
    begins_ms: u32,
    listens_from_ms: u32,
    found: Found,
}

impl<'d> Listening<'d> {
    pub fn new(rules: SegmentRules, mix: Mix, detector: &'d mut dyn Detector) -> Self {
        let (listeners, track, found) = (MixListeners::new(mix, detector), Track::default(), Found::default());
        Self { rules, mix, listeners, track, begins_ms: 0, listens_from_ms: 0, found }
    }

    /// Continues from a restart point with the results for everything before it. The next call has to be
    /// [`begin`](Self::begin) with that restart point.
    pub fn resuming_from(self, found: Found) -> Self {
        Self { found, ..self }
    }

    /// The results for everything before the last restart point.
    pub fn found(&self) -> &Found {
        &self.found
    }

    pub fn push(&mut self, piece: Piece<'_>) {
        self.listeners.push(piece, &mut self.track);
    }

    /// Ends the part at this restart point.
    pub fn close_part(&mut self, point: u64) {
        self.end_part(ms(point), false);
    }

    /// Begins a part at this restart point. `warm` holds the samples just before it.
    pub fn begin(&mut self, point: u64, warm: Piece<'_>) {
        // Levels belong to whole blocks.
        let warm = warm.last(warm.len().min(WARM) / BLOCK * BLOCK);
        self.begins_ms = ms(point);
        self.listens_from_ms = ms(point - warm.len() as u64);
        self.track = Track::beginning_at(self.listens_from_ms);
        self.listeners.push(warm, &mut self.track);
    }

    /// Ends the last part. Returns the results for a recording of this many milliseconds.
    pub fn finish(mut self, duration_ms: u32) -> Found {
        self.end_part(duration_ms, true);
        self.found
    }

    fn end_part(&mut self, end_ms: u32, is_last: bool) {
        let voices = self.listeners.finish(&mut self.track);
        self.track.finish();
        let mut regions = self.regions(&voices, end_ms);
        let begins_ms = self.found.part_ends_ms;
        self.found.open_ms = None;
        let ends_ms = match regions.last().copied() {
            _ if is_last => end_ms,
            Some(last) if last.end_ms >= end_ms => self.leave_open(&mut regions, last, end_ms),
            Some(last) => (last.end_ms + PADDING_MS).min(end_ms),
            None => begins_ms,
        };
        self.found.part_ends_ms = ends_ms;
        let part = Span { start_ms: begins_ms, end_ms: ends_ms };
        self.level(&voices, part);
        let spans = segments_within(&regions, part, &self.rules, &self.track);
        #[cfg(test)]
        self.found.regions.extend_from_slice(&regions);
        let spoken = |span| SpeechSegment { span, speech_ms: speech_ms_in(&regions, span) };
        self.found.segments.extend(spans.into_iter().map(spoken));
    }

    /// Adds the stretches of the part. What lies outside the part gets the levels of the part to which it belongs.
    fn level(&mut self, voices: &Voices, part: Span) {
        for stretch in voices.stretches(self.mix, self.listens_from_ms) {
            let start_ms = stretch.start_ms().max(part.start_ms);
            let last = self.found.stretches.last();
            let differs = last.is_none_or(|last| (last.factor(), last.mix) != (stretch.factor(), stretch.mix));
            if differs && start_ms < part.end_ms {
                self.found.stretches.push(Stretch::new(start_ms, stretch.factor(), stretch.mix));
            }
        }
    }

    /// Returns the regions of the part, including speech that was left open before it.
    fn regions(&self, voices: &Voices, end_ms: u32) -> Vec<Region> {
        let from = self.listens_from_ms;
        let mut regions: Vec<Region> = Vec::new();
        if let Some(start_ms) = self.found.open_ms {
            regions.push(Region { start_ms, end_ms: self.begins_ms });
        }
        for region in voices.all_regions() {
            let start_ms = (from + region.start_ms).max(self.found.part_ends_ms);
            let end_ms = (from + region.end_ms).min(end_ms);
            match regions.last_mut() {
                // A region that ends before the restart point was judged in the part before, by a detector that heard
                // all of it.
                _ if end_ms <= self.begins_ms => {}
                Some(last) if start_ms < last.end_ms + MIN_PAUSE_MS => last.end_ms = last.end_ms.max(end_ms),
                _ => regions.push(Region { start_ms, end_ms }),
            }
        }
        regions
    }

    /// Handles speech that continues across the restart point: a short region is left to the next part, a longer one is
    /// cut where it is quietest. Returns the end of this part.
    fn leave_open(&mut self, regions: &mut Vec<Region>, last: Region, end_ms: u32) -> u32 {
        let from_ms = end_ms.saturating_sub(CUT_WITHIN_MS);
        let cut = match self.track.quietest(from_ms, end_ms, QUIET_MS) {
            Some(start) if last.start_ms < from_ms => start + QUIET_MS / 2,
            _ => last.start_ms,
        };
        self.found.open_ms = Some(cut);
        regions.pop();
        if last.start_ms < cut {
            regions.push(Region { end_ms: cut, ..last });
            return cut;
        }
        let before = regions.last().map(|before| before.end_ms + (cut - before.end_ms) / 2);
        before.map_or(cut, |middle| middle.min(cut))
    }
}

fn ms(samples: u64) -> u32 {
    // At most 48 hours, so this fits.
    u32::try_from(samples / SAMPLES_A_MS).unwrap_or(u32::MAX)
}
