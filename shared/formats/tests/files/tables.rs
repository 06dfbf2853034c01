//! CSV and JSON of random conversations can be read again, and nothing in a table is a formula.

use formats::{Conversation, Format, Options, to_string};
use proptest::prelude::*;

use crate::arbitrary::{any_conversation, config};
use crate::csv_parser::parse;
use crate::visible::visible;

const COLUMNS: usize = 9;
const TITLE: usize = 1;
const START: usize = 5;
const END: usize = 6;
const SPEAKER: usize = 7;
const TEXT: usize = 8;

/// What a spreadsheet could take for the beginning of a formula.
const FORMULA: &str = "=+-@＝＋－＠﹦﹢﹣﹫−";

fn is_formula(text: &str) -> bool {
    text.starts_with(|c| FORMULA.contains(c) || "\t\r\n".contains(c))
}

/// The text of a cell without the apostrophe that keeps it from being a formula.
fn unguarded(cell: &str) -> &str {
    let bare = cell.trim_start_matches(|c: char| c == '\'' || c.is_whitespace() || c == '\u{200b}');
    if is_formula(bare) { cell.strip_prefix('\'').unwrap_or(cell) } else { cell }
}

fn sorted(conversation: &Conversation) -> Conversation {
    let mut sorted = conversation.clone();
    sorted.segments.sort_by_key(|segment| segment.start_ms);
    sorted
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn every_segment_is_a_row_of_nine_cells_and_none_is_a_formula(conversation in any_conversation()) {
        let file = to_string(Format::Csv, Options::default(), [&conversation]);
        let rows = parse(&file).unwrap();
        let conversation = sorted(&conversation);
        prop_assert_eq!(rows.len(), conversation.segments.len() + 1);
        for (row, segment) in rows[1..].iter().zip(&conversation.segments) {
            prop_assert_eq!(row.len(), COLUMNS);
            prop_assert!(!row.iter().any(|cell| is_formula(cell)), "{:?}", row);
            prop_assert!(row.iter().all(|cell| !cell.contains(char::is_control)), "{:?}", row);
            prop_assert_eq!(visible(unguarded(&row[TEXT])), visible(&segment.text));
            prop_assert_eq!(unguarded(&row[SPEAKER]), segment.speaker.clone().unwrap_or_default());
            prop_assert_eq!(visible(unguarded(&row[TITLE])), visible(conversation.head.title.as_deref().unwrap()));
            let [start, end] = [START, END].map(|column| row[column].parse::<u64>().unwrap());
            prop_assert!(start <= end && (segment.start_ms < 0 || start <= segment.start_ms.unsigned_abs()), "{:?}", row);
        }
    }

    #[test]
    fn json_is_read_back_as_it_was(conversations in proptest::collection::vec(any_conversation(), 0..4)) {
        let sorted: Vec<_> = conversations.iter().map(sorted).collect();
        let lines = to_string(Format::Json, Options::default(), &conversations);
        let read: Vec<Conversation> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&read, &sorted);
        let list = to_string(Format::Json, Options { list: true, ..Options::default() }, &conversations);
        let mut list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let read: Vec<Conversation> = serde_json::from_value(list["conversations"].take()).unwrap();
        prop_assert_eq!(read, sorted);
    }
}
