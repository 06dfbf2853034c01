//! One file of each format, to be looked at: `AFTERWORD_WRITE_SNAPSHOTS=1 cargo test -p formats` writes them anew.

use std::path::PathBuf;

use formats::{Conversation, Format, Options, to_string};

/// A day with what is hard: two speakers, quick answers, an interruption, other scripts, markup, midnight, and no
/// title.
const DAY: &str = include_str!("../snapshots/day.input.json");

fn path(format: Format) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/day.{format}"))
}

#[test]
fn files_of_all_formats_are_as_they_were() {
    let day: Vec<Conversation> = serde_json::from_str(DAY).unwrap();
    let options = Options { offset: "+01:00".parse().unwrap(), list: true };
    for format in Format::ALL {
        let file = to_string(format, options, &day);
        if std::env::var_os("AFTERWORD_WRITE_SNAPSHOTS").is_some() {
            std::fs::write(path(format), &file).unwrap();
        }
        let kept = std::fs::read_to_string(path(format)).unwrap();
        assert_eq!(file, kept, "tests/snapshots/day.{format} differs");
    }
}
