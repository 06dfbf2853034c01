//! Memory stays flat, however long a conversation is. The test has a program of its own, whose memory it counts.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::io;

use formats::{Format, Head, Options, Segment, Word, Writer};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const HOUR_MS: i64 = 3_600_000;
const SEGMENT_MS: i64 = 8000;
/// A minute of words and the buffer are far below.
const MOST_BYTES: usize = 512 * 1024;

fn segment(start_ms: i64) -> Segment {
    let word = |at: i64| {
        let start_ms = start_ms + at * 400;
        Word { start_ms, end_ms: start_ms + 350, text: format!("word{at}") }
    };
    let words: Vec<Word> = (0..SEGMENT_MS / 400).map(word).collect();
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let speaker = Some(if start_ms / SEGMENT_MS % 7 < 4 { "Ann".into() } else { "Bob".into() });
    Segment { start_ms, end_ms: start_ms + SEGMENT_MS, text, speaker, words: Some(words), ..Segment::default() }
}

#[test]
fn day_without_a_pause_is_written_in_flat_memory() {
    for format in Format::ALL {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let mut writer = Writer::new(format, Options::default(), io::sink());
        writer.begin(&Head::default()).unwrap();
        for at in 0..24 * HOUR_MS / SEGMENT_MS {
            writer.segment(&segment(at * SEGMENT_MS)).unwrap();
        }
        writer.finish().unwrap();
        let held = MEMORY.peak_usage().saturating_sub(before);
        assert!(held < MOST_BYTES, "{format}: {held} bytes");
    }
}
