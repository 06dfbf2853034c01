//! When cues appear and go: each stays one to seven seconds, and none overlaps another one.

use crate::cuts::{LONGEST_MS, SHORTEST_MS};
use crate::draft::Draft;
use crate::lines::{fit_one_line, fit_two_lines, lines};
use crate::piece::line;
use crate::turn::append;
use crate::units::width;

/// The columns that people read in a second without effort. A cue stays until they are read, if nothing follows.
const READ_PER_SECOND: u64 = 17;
/// What they can read. A cue of somebody who is interrupted stays so long.
const READ_FAST_PER_SECOND: u64 = 25;

/// A subtitle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    pub start: u64,
    pub end: u64,
    /// One voice with one or two lines, or two voices with a line each.
    pub voices: Vec<Voice>,
}

/// What a speaker says in a cue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    pub speaker: Option<String>,
    pub lines: Vec<String>,
}

/// Turns drafts, which come in the order of their start, into cues.
#[derive(Debug, Default)]
pub struct Schedule {
    /// One draft, or two short ones of different speakers that share a cue.
    pending: Vec<Draft>,
    free_from: u64,
}

impl Schedule {
    pub fn push(&mut self, draft: Draft, out: &mut impl FnMut(Cue)) {
        if self.is_too_early(&draft) && self.can_share(&draft) {
            self.share(draft);
            return;
        }
        self.emit(Some(draft.start()), out);
        self.pending.push(draft);
    }

    pub fn flush(&mut self, out: &mut impl FnMut(Cue)) {
        self.emit(None, out);
    }

    /// When the pending drafts appear: they may have to wait for the cue before.
    fn appears(&self) -> Option<u64> {
        self.pending.first().map(|draft| draft.start().max(self.free_from))
    }

    /// Whether the draft begins before the pending one was there for a second.
    fn is_too_early(&self, draft: &Draft) -> bool {
        self.appears().is_some_and(|at| draft.start() < at + SHORTEST_MS)
    }

    fn can_share(&self, draft: &Draft) -> bool {
        let [first, others @ ..] = &self.pending[..] else { return false };
        let last = others.last().unwrap_or(first);
        if draft.end().saturating_sub(first.start()) > LONGEST_MS {
            return false;
        }
        if last.speaker == draft.speaker {
            let joined = joined(last.clone(), draft.clone());
            return if others.is_empty() { fit_two_lines(&joined.pieces) } else { fit_one_line(&joined.pieces) };
        }
        // Without a name, nobody would see that the second line is of somebody else.
        others.is_empty() && draft.speaker.is_some() && fit_one_line(&last.pieces) && fit_one_line(&draft.pieces)
    }

    fn share(&mut self, draft: Draft) {
        match self.pending.pop() {
            Some(last) if last.speaker == draft.speaker => self.pending.push(joined(last, draft)),
            last => {
                self.pending.extend(last);
                self.pending.push(draft);
            }
        }
    }

    fn emit(&mut self, next: Option<u64>, out: &mut impl FnMut(Cue)) {
        let Some(start) = self.appears() else { return };
        let drafts = std::mem::take(&mut self.pending);
        let said_until = drafts.iter().map(Draft::end).max().unwrap_or(start);
        let is_one = drafts.len() == 1;
        let voices: Vec<_> = drafts.into_iter().map(|draft| voice(draft, is_one)).collect();
        let columns: usize = voices.iter().flat_map(|voice| &voice.lines).map(|text| width(text)).sum();
        let read_in = |per_second: u64| columns as u64 * 1000 / per_second;
        let mut end = said_until.max(start + read_in(READ_PER_SECOND));
        if let Some(next) = next {
            // Who is interrupted goes on until one can have read it.
            let interrupted = if said_until > next { said_until.min(start + read_in(READ_FAST_PER_SECOND)) } else { 0 };
            end = end.min(next.max(interrupted));
        }
        let end = end.clamp(start + SHORTEST_MS, start + LONGEST_MS);
        self.free_from = end;
        out(Cue { start, end, voices });
    }
}

fn joined(mut one: Draft, other: Draft) -> Draft {
    append(&mut one.pieces, other.without_name().pieces);
    one
}

fn voice(draft: Draft, may_have_two_lines: bool) -> Voice {
    let lines = if may_have_two_lines { lines(&draft.pieces) } else { vec![line(&draft.pieces)] };
    Voice { speaker: draft.speaker, lines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::timed;

    /// Drafts of a speaker with their times and text.
    fn cues(drafts: &[(&str, u64, u64, &str)]) -> Vec<(u64, u64, String)> {
        let (mut schedule, mut cues) = (Schedule::default(), Vec::new());
        let text = |voice: &Voice| format!("{}: {}", voice.speaker.clone().unwrap_or_default(), voice.lines.join("/"));
        let mut out = |cue: Cue| {
            cues.push((cue.start, cue.end, cue.voices.iter().map(text).collect::<Vec<_>>().join(" | ")));
        };
        for &(speaker, start, end, text) in drafts {
            schedule.push(Draft { speaker: Some(speaker.into()), pieces: timed(&[(start, end, text)]) }, &mut out);
        }
        schedule.flush(&mut out);
        cues
    }

    fn cue(start: u64, end: u64, text: &str) -> (u64, u64, String) {
        (start, end, text.to_owned())
    }

    #[test]
    fn short_cue_stays_a_second_and_long_text_until_it_is_read() {
        let text = "This takes a while to read, but it was said fast.";
        assert_eq!(cues(&[("A", 0, 300, "Yes.")]), [cue(0, 1000, "A: Yes.")]);
        assert_eq!(cues(&[("A", 0, 1500, text)])[0].1, text.len() as u64 * 1000 / 17);
        assert_eq!(cues(&[("A", 0, 1500, text), ("B", 2000, 3000, "Oh.")])[0].1, 2000);
    }

    #[test]
    fn quick_answers_share_a_cue_with_a_line_for_each_speaker() {
        let drafts =
            [("A", 0, 300, "Yes?"), ("B", 400, 700, "No."), ("A", 900, 1200, "Why?"), ("A", 1300, 1500, "Eh?")];
        assert_eq!(cues(&drafts), [cue(0, 1000, "A: Yes? | B: No."), cue(1000, 2000, "A: Why? Eh?")]);
    }

    #[test]
    fn cue_that_cannot_share_waits_until_the_one_before_was_there_for_a_second() {
        let long = "x".repeat(42);
        let drafts = [("A", 0, 200, "Yes?"), ("B", 300, 7500, long.as_str()), ("A", 8000, 9000, "Why?")];
        let text = format!("B: {long}");
        assert_eq!(cues(&drafts), [cue(0, 1000, "A: Yes?"), cue(1000, 7500, &text), cue(8000, 9000, "A: Why?")]);
    }

    #[test]
    fn who_is_interrupted_leaves_when_it_is_read() {
        let long = "x".repeat(42);
        let drafts = [("A", 0, 6000, long.as_str()), ("B", 1200, 1500, "Hm."), ("A", 6000, 6500, "so")];
        let found = cues(&drafts);
        assert_eq!(found[0], cue(0, 42 * 1000 / 25, &format!("A: {long}")));
        assert_eq!((found[1].0, found[2].0), (1680, 6000));
    }

    #[test]
    fn cue_of_a_very_slow_word_ends_after_seven_seconds() {
        assert_eq!(cues(&[("A", 0, 60_000, "Ohm")]), [cue(0, 7000, "A: Ohm")]);
    }
}
