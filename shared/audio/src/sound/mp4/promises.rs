//! Which fragments an MP4 file says it has: they are numbered, and indexes state where they are.

use std::io;
use std::ops::Range;

use super::table::{File, Mp4Box, Table, go, number, read_box, words};

/// The most parts of an index at the end, which has one for each track.
const MOST_PARTS: u32 = 16;

/// What is missing before a fragment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    Nothing,
    /// Numbers are missing; the times of this fragment and the one before show whether audio is missing too.
    Perhaps,
    Fragments,
}

#[derive(Default)]
pub(super) struct Promises {
    /// The number of the last fragment.
    number: Option<u32>,
    /// Numbers are missing before the next fragment.
    skipped: bool,
    /// The fragment before the next one had a time, so both can be compared.
    timed: bool,
    /// The number of fragments with packets of the track that is read.
    fragments: u64,
    /// The end of the fragments according to the indexes before them.
    end: u64,
}

impl Promises {
    /// Follows the numbers of fragments, which grow by one. The first may be any; some recorders start over, or give
    /// all fragments the same number.
    pub fn follow(&mut self, number: u32) {
        self.skipped |= self.number.is_some_and(|last| number > last.saturating_add(1));
        self.number = Some(number);
    }

    /// Takes a fragment with packets of the track that is read. Returns what is missing before it.
    pub fn take_fragment(&mut self, has_time: bool) -> Skipped {
        self.fragments += 1;
        let comparable = std::mem::replace(&mut self.timed, has_time) && has_time;
        match (std::mem::take(&mut self.skipped), comparable) {
            (false, _) => Skipped::Nothing,
            (true, true) => Skipped::Perhaps,
            (true, false) => Skipped::Fragments,
        }
    }

    pub fn is_open(&self) -> bool {
        self.skipped
    }

    /// Reads an index of the fragments that follow it, as a list of sizes.
    pub fn read_sidx(&mut self, file: &mut File, body: &Range<u64>) -> io::Result<()> {
        go(file, body.start)?;
        let Some([version, _, _]) = words(file)? else { return Ok(()) };
        let (first, mut at) = match version >> 24 {
            0 => (words(file)?.map(|[_, first]| u64::from(first)), body.start + 20),
            _ => (words(file)?.map(|[_, _, high, low]| u64::from(high) << 32 | u64::from(low)), body.start + 28),
        };
        let (Some(first), Some([count])) = (first, words(file)?) else { return Ok(()) };
        at += 4;
        let mut sizes = Table::new(body, at, count & 0xFFFF, 12);
        let mut end = body.end.saturating_add(first);
        for index in 0..sizes.count {
            // The highest bit distinguishes fragments from another index.
            let size = sizes.get(file, index)?.map_or(0, |entry| number(&entry[..4]) & 0x7FFF_FFFF);
            end = end.saturating_add(size);
        }
        self.end = self.end.max(end);
        Ok(())
    }

    /// Returns the bytes of fragments that should be before `at` and are not.
    pub fn missing_before(&mut self, at: u64) -> u64 {
        std::mem::take(&mut self.end).saturating_sub(at)
    }

    /// Returns the bytes of fragments that an index at the end promises and that are missing; 1 if their size is
    /// unknown.
    pub fn missing_by_mfra(&mut self, file: &mut File, mfra: &Mp4Box, base: u64, track: u32) -> io::Result<u64> {
        let missing = self.missing_before(mfra.at);
        let mut within = mfra.body.clone();
        for _ in 0..MOST_PARTS {
            let Some(found) = read_box(file, &within)? else { break };
            within.start = found.body.end;
            if found.kind != *b"tfra" {
                continue;
            }
            let Some([version, id, widths, count]) = words(file)? else { break };
            if id != track {
                continue;
            }
            let wide = if version >> 24 == 0 { 4 } else { 8 };
            let numbers = [widths >> 4, widths >> 2, widths].map(|width| u64::from((width & 3) + 1));
            let entry = 2 * wide + numbers.iter().sum::<u64>();
            let mut places = Table::new(&found.body, found.body.start + 16, count, entry);
            let (mut promised, mut last, mut furthest) = (0u64, None, 0);
            for index in 0..places.count {
                let range = wide as usize..2 * wide as usize;
                let place = places.get(file, index)?.and_then(|entry| entry.get(range)).map(number);
                // A fragment may be listed several times in a row.
                promised += u64::from(place != last);
                (last, furthest) = (place, furthest.max(place.unwrap_or(0)));
            }
            let beyond = base.saturating_add(furthest).saturating_sub(mfra.at);
            let fewer = u64::from(promised > self.fragments);
            return Ok(missing.max(beyond).max(fewer));
        }
        Ok(missing)
    }
}
