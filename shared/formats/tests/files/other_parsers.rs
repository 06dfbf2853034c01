//! Parsers of other people read what we write: Python's `csv`, and from PyPI `srt`, `webvtt-py` and `markdown-it-py`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use formats::{Conversation, Format, Options, to_string};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::arbitrary::{NAMES, any_conversation};

const CASES: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `testkit::skip!` does. The test kit itself would make this small crate wait for engines and decoders.
fn note_skip(why: &str) {
    let line = format!("SKIPPED: other_parsers::other_parsers_read_what_was_said: {why}\n");
    eprint!("{line}");
    if let Some(path) = std::env::var_os("AFTERWORD_SKIPS") {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// Writes a conversation in all formats, and tells what it says.
fn write_case(folder: &Path, number: usize, conversation: &Conversation) -> Value {
    for format in Format::ALL {
        let file = to_string(format, Options::default(), [conversation]);
        std::fs::write(folder.join(format!("{number}.{format}")), file).unwrap();
    }
    let mut segments = conversation.segments.clone();
    segments.sort_by_key(|segment| segment.start_ms);
    let texts: Vec<_> = segments.into_iter().map(|segment| segment.text).collect();
    json!({ "title": conversation.head.title, "names": NAMES, "text": texts.concat(), "texts": texts })
}

#[test]
fn other_parsers_read_what_was_said() {
    // Installed by `scripts/setup-python`.
    let python = root().join("target/python/bin/python");
    let can_run = Command::new(&python).args(["-c", "import markdown_it, srt, webvtt"]).output();
    if !can_run.is_ok_and(|output| output.status.success()) {
        return note_skip(
            "the Python packages srt, webvtt-py and markdown-it-py are not installed (scripts/setup-python)",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut runner, strategy) = (TestRunner::deterministic(), any_conversation());
    let mut case = |number| {
        let conversation = strategy.new_tree(&mut runner).unwrap().current();
        write_case(folder.path(), number, &conversation)
    };
    let cases: Vec<Value> = (0..CASES).map(&mut case).collect();
    std::fs::write(folder.path().join("cases.json"), Value::from(cases).to_string()).unwrap();
    let script = root().join("tests/python/read_formats.py");
    let output = Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    // Otherwise the test would also pass without a cue.
    let counts: Value = serde_json::from_str(report.lines().last().unwrap()).unwrap();
    for kind in ["srt", "vtt", "csv", "md"] {
        assert!(counts[kind].as_u64().unwrap() > 300, "{counts}");
    }
}
