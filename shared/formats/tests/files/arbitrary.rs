//! Random conversations: of all scripts, with markup in them, in order and out of order.

use domain::Timestamp;
use formats::{Conversation, Head, Segment, Word};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What engines and people may put into a text, and what a format could take for its own.
const ODDITIES: &[&str] = &[
    "<b>",
    "</v>",
    "<i",
    "<00:01.000>",
    "-->",
    "--",
    ">",
    "&lt;",
    "&",
    "&amp;amp;",
    "{\\an8}",
    "{y:i}",
    "\\N",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "＝1",
    "'=1",
    "\"quoted\"",
    ",",
    ";",
    "*bold*",
    "_under_",
    "`code`",
    "# heading",
    "1.",
    "- item",
    "[a](https://b.c)",
    "![i](j)",
    "https://example.org/a?b=c&d=e",
    "|",
    "~~gone~~",
    "$x$",
    "==high==",
    "NOTE",
    "STYLE",
    "WEBVTT",
    "12",
    "00:00:01,000 --> 00:00:02,000",
    "\n",
    "\r\n\r\n",
    "\t",
    "\u{0}",
    "\u{7}",
    "\u{1b}[31m",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\u{200b}",
    "\u{a0}",
    "\u{3000}",
    "\u{fffe}",
    "\u{301}",
];
const WORDS: &[&str] = &[
    "a",
    "I",
    "we",
    "the",
    "over",
    "there.",
    "network,",
    "recordings",
    "well-known",
    "Yes!",
    "Why?",
    "don't",
    "1986.",
    "É́té",
    "今日は、",
    "いい天気ですね。",
    "東京",
    "你好，世界！",
    "한국어",
    "שלום",
    "עולם.",
    "مرحبا",
    "بالعالم؟",
    "हिन्दी",
    "में।",
    "ภาษาไทยไม่มีช่องว่าง",
    "Ελληνικά",
    "👍",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦",
    "🇩🇪",
    "❤\u{fe0f}",
    "👋🏽",
    "می\u{200c}خواهم",
];
/// Names stand in brackets that occur nowhere else, so that a test can take them out of a text again.
pub const NAMES: &[&str] = &["⟦Ann⟧", "⟦Bob & <Co>⟧", "⟦山田⟧"];

/// So many cases, or as many as `PROPTEST_CASES` says. The failing input is printed.
pub fn config(cases: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    ProptestConfig { cases: wanted.unwrap_or(cases), failure_persistence: None, ..ProptestConfig::default() }
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => select(WORDS).prop_map(str::to_owned),
        3 => select(ODDITIES).prop_map(str::to_owned),
        1 => (select(WORDS), 20..60_usize).prop_map(|(word, times)| word.repeat(times)),
        1 => any::<String>().prop_map(|text| text.replace(['⟦', '⟧'], "")),
    ]
}

fn text() -> impl Strategy<Value = String> {
    (vec(token(), 0..40), any::<bool>()).prop_map(|(tokens, spaced)| tokens.join(if spaced { " " } else { "" }))
}

/// What is said, before it has a time.
fn said() -> impl Strategy<Value = Segment> {
    let speaker = prop_oneof![2 => Just(None), 3 => select(NAMES).prop_map(|name| Some(name.to_owned()))];
    (text(), speaker).prop_map(|(text, speaker)| Segment { text, speaker, ..Segment::default() })
}

/// Times for the words of a segment that may be wrong.
fn words(segment: &Segment, shift: i64) -> Vec<Word> {
    let words: Vec<&str> = segment.text.split_whitespace().collect();
    let length = (segment.end_ms - segment.start_ms) / i64::try_from(words.len()).unwrap().max(1);
    let word = |(at, text): (usize, &&str)| {
        let start_ms = segment.start_ms + shift + length * i64::try_from(at).unwrap();
        Word { start_ms, end_ms: start_ms + length * 2 / 3, text: (*text).to_owned() }
    };
    words.iter().enumerate().map(word).collect()
}

fn with_words(mut segment: Segment, shift: Option<i64>) -> Segment {
    segment.words = shift.map(|shift| words(&segment, shift));
    segment
}

fn shift() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), Just(Some(0)), (-3000..3000_i64).prop_map(Some)]
}

fn conversation(segments: Vec<Segment>, title: String, started_at: i64) -> Conversation {
    let started_at = Timestamp::from_millis(started_at);
    let head = Head { id: "id".into(), started_at, title: Some(title), source: "phone".into(), ..Head::default() };
    Conversation { head, segments }
}

/// A conversation in which one speaks after the other.
pub fn orderly() -> impl Strategy<Value = Conversation> {
    let pause = prop_oneof![3 => 0..400_i64, 3 => 400..6000_i64, 1 => 0..40_000_000_i64];
    let timed = (said(), pause, 0..30_000_i64, shift());
    (vec(timed, 0..12), text(), 0..2_000_000_000_000_i64).prop_map(|(timed, title, started_at)| {
        let mut at = 0;
        let place = |(said, pause, length, shift): (Segment, i64, i64, Option<i64>)| {
            let start_ms = at + pause;
            at = start_ms + length;
            with_words(Segment { start_ms, end_ms: at, ..said }, shift)
        };
        conversation(timed.into_iter().map(place).collect(), title, started_at)
    })
}

/// A conversation whose segments come in any order, overlap, and end before they begin.
pub fn wild() -> impl Strategy<Value = Conversation> {
    let time = || prop_oneof![20 => -1000..60_000_i64, 1 => any::<i64>()];
    let timed = (said(), time(), time(), any::<bool>());
    (vec(timed, 0..16), text(), 0..2_000_000_000_000_i64).prop_map(|(timed, title, started_at)| {
        let place = |(said, start_ms, end_ms, has_words): (Segment, i64, i64, bool)| {
            let is_small = |ms: i64| (-1000..60_000).contains(&ms);
            let shift = (has_words && is_small(start_ms) && is_small(end_ms)).then_some(0);
            with_words(Segment { start_ms, end_ms, ..said }, shift)
        };
        conversation(timed.into_iter().map(place).collect(), title, started_at)
    })
}

pub fn any_conversation() -> impl Strategy<Value = Conversation> {
    prop_oneof![orderly(), wild()]
}
