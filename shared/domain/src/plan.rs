//! A recording's plan: its segments of speech and how far each has come. It is written once; later only marks change.

use serde::{Deserialize, Serialize};

/// How far a segment has come. A mark only moves down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    Open,
    /// The engine returned no text once, and is asked once more.
    EmptyOnce,
    /// The engine returned no text twice. The segment is accepted as silence and never billed.
    Empty,
    /// The segment's text is in a conversation, and its usage is counted.
    Placed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The offset in the recording, padding included; likewise `end_ms`.
    pub start_ms: u32,
    pub end_ms: u32,
    /// The milliseconds of speech in the segment. Only these are billed; padding and pauses are not.
    pub speech_ms: u32,
    pub mark: Mark,
}

impl Segment {
    pub fn open(start_ms: u32, end_ms: u32, speech_ms: u32) -> Self {
        Self { start_ms, end_ms, speech_ms, mark: Mark::Open }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.mark, Mark::Empty | Mark::Placed)
    }
}

/// The totals of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub segments: u32,
    pub placed: u32,
    pub empty: u32,
    /// The milliseconds of speech in placed segments.
    pub placed_ms: u64,
}

impl Counts {
    pub fn done(&self) -> u32 {
        self.placed + self.empty
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packed plan is damaged at byte {0}")]
pub struct DamagedPlan(pub usize);

impl Plan {
    /// A plan of segments in order of time. They must not overlap, and none may be empty.
    pub fn new(segments: Vec<Segment>) -> Self {
        debug_assert!(segments.windows(2).all(|pair| pair[0].end_ms <= pair[1].start_ms));
        debug_assert!(segments.iter().all(|s| s.start_ms < s.end_ms));
        Self { segments }
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub fn find(&self, start_ms: u32) -> Option<&Segment> {
        self.index(start_ms).map(|i| &self.segments[i])
    }

    fn index(&self, start_ms: u32) -> Option<usize> {
        self.segments.binary_search_by_key(&start_ms, |s| s.start_ms).ok()
    }

    /// Moves a segment's mark forward. Returns false if the segment is unknown, closed already, or at least as far.
    pub fn mark(&mut self, start_ms: u32, to: Mark) -> bool {
        let Some(i) = self.index(start_ms) else { return false };
        let segment = &mut self.segments[i];
        let moves = !segment.is_closed() && segment.mark < to;
        if moves {
            segment.mark = to;
        }
        moves
    }

    pub fn counts(&self) -> Counts {
        self.segments.iter().fold(Counts { segments: self.segments.len() as u32, ..Counts::default() }, |mut c, s| {
            match s.mark {
                Mark::Placed => {
                    c.placed += 1;
                    c.placed_ms += u64::from(s.speech_ms);
                }
                Mark::Empty => c.empty += 1,
                Mark::Open | Mark::EmptyOnce => {}
            }
            c
        })
    }

    pub fn is_closed(&self) -> bool {
        self.segments.iter().all(Segment::is_closed)
    }

    /// The plan as bytes: for each segment three base-128 numbers, namely the gap since the last segment, the length
    /// with the mark in the low bits, and the milliseconds without speech. This takes about seven bytes a segment, so
    /// that a day of talk stays far below the size limit of a document.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.segments.len() * 8);
        let mut at = 0;
        for s in &self.segments {
            let length = s.end_ms - s.start_ms;
            put(&mut out, u64::from(s.start_ms - at));
            put(&mut out, u64::from(length) << 2 | s.mark as u64);
            put(&mut out, u64::from(length.saturating_sub(s.speech_ms)));
            at = s.end_ms;
        }
        out
    }

    pub fn unpack(bytes: &[u8]) -> Result<Self, DamagedPlan> {
        let mut segments = Vec::with_capacity(bytes.len() / 6);
        let (mut pos, mut at) = (0, 0_u32);
        while pos < bytes.len() {
            let from = pos;
            let damaged = || DamagedPlan(from);
            let gap = take(bytes, &mut pos).ok_or_else(damaged)?;
            let packed = take(bytes, &mut pos).ok_or_else(damaged)?;
            let quiet = take(bytes, &mut pos).ok_or_else(damaged)?;
            let length = u32::try_from(packed >> 2).map_err(|_| damaged())?;
            let start_ms = u32::try_from(gap).ok().and_then(|gap| at.checked_add(gap)).ok_or_else(damaged)?;
            let end_ms = start_ms.checked_add(length).ok_or_else(damaged)?;
            let speech_ms =
                u32::try_from(quiet).ok().and_then(|quiet| length.checked_sub(quiet)).ok_or_else(damaged)?;
            let mark = [Mark::Open, Mark::EmptyOnce, Mark::Empty, Mark::Placed][(packed & 3) as usize];
            segments.push(Segment { start_ms, end_ms, speech_ms, mark });
            at = end_ms;
        }
        Ok(Self { segments })
    }
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(bytes: &[u8], pos: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..42).step_by(7) {
        let byte = *bytes.get(*pos)?;
        *pos += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Serialize for Plan {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(self.pack()))
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        let bytes = hex::decode(text.as_bytes()).map_err(D::Error::custom)?;
        Self::unpack(&bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segments() -> impl Strategy<Value = Vec<Segment>> {
        let one = (0..200_000_u32, 1..300_000_u32, 0..=100_u32, 0..4_usize);
        prop::collection::vec(one, 0..40).prop_map(|parts| {
            let mut at = 0;
            let marks = [Mark::Open, Mark::EmptyOnce, Mark::Empty, Mark::Placed];
            let build = |(gap, length, percent, mark): (u32, u32, u32, usize)| {
                let start_ms = at + gap;
                at = start_ms + length;
                Segment { start_ms, end_ms: at, speech_ms: length / 100 * percent, mark: marks[mark] }
            };
            parts.into_iter().map(build).collect()
        })
    }

    proptest! {
        #[test]
        fn a_plan_reads_back_as_it_was_packed(segments in segments()) {
            let plan = Plan::new(segments);
            prop_assert!(plan.pack().len() <= plan.segments().len() * 10);
            prop_assert_eq!(Plan::unpack(&plan.pack()), Ok(plan));
        }

        #[test]
        fn damaged_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Plan::unpack(&bytes);
        }
    }

    #[test]
    fn marks_only_move_forward_and_closed_segments_stay_closed() {
        let mut plan = Plan::new(vec![Segment::open(0, 500, 400), Segment::open(900, 1000, 100)]);
        assert!(plan.mark(0, Mark::EmptyOnce));
        assert!(!plan.mark(0, Mark::Open));
        assert!(plan.mark(0, Mark::Empty));
        assert!(!plan.mark(0, Mark::Placed), "silence that was accepted is never billed later");
        assert!(plan.mark(900, Mark::Placed));
        assert!(!plan.mark(900, Mark::Placed), "a placed segment is placed once");
        assert!(!plan.mark(1, Mark::Placed));
        assert_eq!(plan.counts(), Counts { segments: 2, placed: 1, empty: 1, placed_ms: 100 });
        assert!(plan.is_closed());
    }
}
