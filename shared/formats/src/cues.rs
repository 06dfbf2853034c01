//! Subtitles from segments that come one after another.

use std::collections::BTreeMap;

use crate::conversation::{Head, Segment};
use crate::draft::{Draft, Naming, drafts};
use crate::schedule::{Cue, Schedule};
use crate::turn::Turn;

/// Makes cues. What it holds does not grow with the length of a conversation.
#[derive(Debug, Default)]
pub struct CueMaker {
    /// Whether a name stands in the text of a cue and takes room there.
    names: bool,
    /// When the first conversation began: all times count from there.
    began: Option<i64>,
    offset: u64,
    /// Whose drafts are not made yet.
    turn: Option<Turn>,
    /// Who spoke in the turn before.
    turns: Naming,
    /// Drafts by their start. A later turn can begin before the end of an earlier one.
    waiting: BTreeMap<(u64, u64), Draft>,
    count: u64,
    /// Who spoke in the cue before.
    spoken: Naming,
    schedule: Schedule,
}

impl CueMaker {
    pub fn new(names: bool) -> Self {
        Self { names, ..Self::default() }
    }

    pub fn begin(&mut self, head: &Head) {
        let start = head.started_at.millis();
        let began = *self.began.get_or_insert(start);
        self.offset = u64::try_from(start.saturating_sub(began)).unwrap_or(0);
        (self.turns, self.spoken) = Default::default();
    }

    /// Segments come in the order of their start. One that comes too late is shown late.
    pub fn segment(&mut self, segment: &Segment, out: &mut impl FnMut(Cue)) {
        let Some(turn) = Turn::of(segment, self.offset) else { return };
        let Some(open) = &mut self.turn else {
            self.turn = Some(turn);
            return;
        };
        if let Some(next) = open.join(turn) {
            let (start, _) = segment.span();
            let start = self.offset + start;
            let ended = self.turn.replace(next);
            self.cut(ended);
            self.release(Some(start), out);
        }
    }

    /// Ends the conversation: nothing of it is held back.
    pub fn end(&mut self, out: &mut impl FnMut(Cue)) {
        let ended = self.turn.take();
        self.cut(ended);
        self.release(None, out);
        self.schedule.flush(out);
    }

    fn cut(&mut self, turn: Option<Turn>) {
        let Some(turn) = turn else { return };
        let speaker = turn.speaker.as_deref();
        let pieces = if self.names { self.turns.named(speaker, &turn.pieces) } else { turn.pieces };
        for draft in drafts(speaker, &pieces) {
            self.count += 1;
            self.waiting.insert((draft.start(), self.count), draft);
        }
    }

    /// Lets the drafts go that begin up to this time: nothing that comes later can precede them.
    fn release(&mut self, until: Option<u64>, out: &mut impl FnMut(Cue)) {
        while let Some(first) = self.waiting.first_entry() {
            if until.is_some_and(|until| first.key().0 > until) {
                return;
            }
            let draft = first.remove();
            let drafts = if self.names { self.spoken.corrected(draft) } else { vec![draft] };
            for draft in drafts {
                self.schedule.push(draft, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(names: bool, segments: &[(&str, i64, i64, &str)]) -> Vec<(u64, String)> {
        let (mut maker, mut found) = (CueMaker::new(names), Vec::new());
        let mut out = |cue: Cue| {
            let lines: Vec<_> = cue.voices.into_iter().flat_map(|voice| voice.lines).collect();
            found.push((cue.start, lines.join("/")));
        };
        maker.begin(&Head::default());
        for &(speaker, start_ms, end_ms, text) in segments {
            let speaker = Some(speaker.to_owned());
            let segment = Segment { start_ms, end_ms, speaker, text: text.into(), ..Segment::default() };
            maker.segment(&segment, &mut out);
        }
        maker.end(&mut out);
        found
    }

    #[test]
    fn who_speaks_in_between_is_shown_in_between_and_the_name_comes_again() {
        let first = "It takes me quite some time to explain what I mean by this.";
        let second = "But I shall come to the point in the end, as I always do.";
        let segments =
            [("A", 0, 8000, &*format!("{first} {second}")), ("Bob", 2500, 2900, "Mm."), ("A", 9000, 9500, "So.")];
        let found = cues(true, &segments);
        let texts: Vec<_> = found.iter().map(|cue| cue.1.replace('/', " ")).collect();
        assert_eq!(
            texts,
            [format!("Speaker A: {first}"), "Bob: Mm.".into(), format!("Speaker A: {second}"), "So.".into()]
        );
        assert!(found[1].0 < 3000, "{found:?}");
    }

    #[test]
    fn second_conversation_goes_on_by_the_clock() {
        let mut maker = CueMaker::new(false);
        let mut starts = Vec::new();
        let segment = Segment { start_ms: 500, end_ms: 900, text: "Yes.".into(), ..Segment::default() };
        for hour in [10, 12, 9] {
            let started_at = domain::Timestamp::from_secs(hour * 3600);
            maker.begin(&Head { started_at, ..Head::default() });
            maker.segment(&segment, &mut |cue| starts.push(cue.start));
            maker.end(&mut |cue| starts.push(cue.start));
        }
        assert_eq!(starts, [500, 7_200_500, 7_201_500]);
    }
}
