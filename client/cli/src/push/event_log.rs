//! What happened in earlier commands, for `afterword doctor --bundle`: a bounded file with an event in each line. Events hold
//! no audio, no text and no token.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use engine::Event;
use serde_json::Value;

const FILE: &str = "events.jsonl";
/// The most events that are kept.
const MOST_EVENTS: usize = 2000;
/// The most bytes that are read: an event has some hundred bytes. What is older is cut off.
const MOST_BYTES: u64 = 2 << 20;

/// The events of this command, after those of earlier ones.
pub struct EventLog {
    path: PathBuf,
    earlier: Vec<String>,
}

impl EventLog {
    /// The log of the engine in this folder.
    pub fn of(folder: &Path) -> Self {
        let path = folder.join(FILE);
        // A log that cannot be read helps nobody, and is no reason not to send recordings.
        let earlier = lines(&path).unwrap_or_default();
        Self { path, earlier }
    }

    /// Writes the newest events. A disk that is full is no reason for a command to fail: then the report has less.
    pub fn keep(&self, events: &[Event]) {
        let new = events.iter().filter_map(|event| serde_json::to_string(event).ok());
        let all: Vec<String> = self.earlier.iter().cloned().chain(new).collect();
        if all.len() > self.earlier.len() {
            let newest = &all[all.len().saturating_sub(MOST_EVENTS)..];
            let _ = replace(&self.path, &(newest.join("\n") + "\n"));
        }
    }
}

/// The events that the commands of this folder have left, oldest first.
pub fn read(folder: &Path) -> Vec<Value> {
    let lines = lines(&folder.join(FILE)).unwrap_or_default();
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The last whole lines that are events.
fn lines(path: &Path) -> io::Result<Vec<String>> {
    let mut file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let is_event = |line: &&str| serde_json::from_str::<Value>(line).is_ok_and(|value| value["event"].is_string());
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<String> = text.lines().filter(is_event).map(str::to_owned).collect();
    Ok(all[all.len().saturating_sub(MOST_EVENTS)..].to_vec())
}

/// A kill leaves the old file or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use engine::{ChunkId, EventKind};

    use super::*;

    fn event(id: i64) -> Event {
        Event { at: Timestamp::from_secs(1_800_000_000), kind: EventKind::FileDeleted { id: ChunkId(id) } }
    }

    fn ids(folder: &Path) -> Vec<i64> {
        read(folder).iter().map(|event| event["id"].as_i64().unwrap()).collect()
    }

    #[test]
    fn events_of_earlier_commands_are_kept_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let first = EventLog::of(folder.path());
        first.keep(&[]);
        assert!(!folder.path().join(FILE).exists(), "nothing happened");
        first.keep(&[event(1)]);
        first.keep(&[event(1), event(2)]);
        assert_eq!(ids(folder.path()), [1, 2], "an event that is kept twice stands there once");
        EventLog::of(folder.path()).keep(&[event(3)]);
        assert_eq!(ids(folder.path()), [1, 2, 3]);
        let many: Vec<_> = (0..i64::try_from(MOST_EVENTS).unwrap()).map(|n| event(100 + n)).collect();
        EventLog::of(folder.path()).keep(&many);
        let kept = ids(folder.path());
        assert_eq!((kept.len(), kept[0]), (MOST_EVENTS, 100));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn damaged_lines_are_left_out_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&event(1)).unwrap();
        fs::write(folder.path().join(FILE), format!("\u{0}\u{1}\n{{\"event\":\n{line}\n{{\"event\":\"cut")).unwrap();
        EventLog::of(folder.path()).keep(&[event(2)]);
        assert_eq!(ids(folder.path()), [1, 2]);
        // A file that is far too large is read from its end.
        let mut bytes = vec![b'x'; usize::try_from(MOST_BYTES).unwrap()];
        bytes.extend(format!("\n{line}\n").bytes());
        fs::write(folder.path().join(FILE), bytes).unwrap();
        assert_eq!(ids(folder.path()), [1]);
    }
}
