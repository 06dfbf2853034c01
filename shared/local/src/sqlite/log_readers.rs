//! Which other processes read a database: they hold locks on the index of its write-ahead log. Only Linux tells them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes of the index that readers lock (SQLite's `WAL_READ_LOCK`). Every open connection locks the byte behind them.
const READ_LOCKS: std::ops::Range<u64> = 123..128;

/// The ids of the processes, separated by blanks. Empty if they are not known.
pub fn of(index: &Path) -> String {
    let Ok(about) = fs::metadata(index) else { return String::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut processes: Vec<u32> = locks.lines().filter_map(|line| reader(line, about.ino())).collect();
    processes.sort_unstable();
    processes.dedup();
    processes.retain(|process| *process != std::process::id());
    processes.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// Reads a line such as `3: POSIX  ADVISORY  READ 1234 fd:01:5678 124 124`.
fn reader(line: &str, inode: u64) -> Option<u32> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, "POSIX", _, "READ", process, file, first, _] = words[..] else { return None };
    let is_index = file.rsplit(':').next()?.parse() == Ok(inode);
    (is_index && READ_LOCKS.contains(&first.parse().ok()?)).then(|| process.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_is_found_by_its_lock_on_the_index() {
        let read = |line| reader(line, 5678);
        assert_eq!(read("3: POSIX  ADVISORY  READ 1234 fd:01:5678 124 124"), Some(1234));
        assert_eq!(read("3: POSIX  ADVISORY  READ 1234 fd:01:5679 124 124"), None);
        assert_eq!(read("3: POSIX  ADVISORY  READ 1234 fd:01:5678 128 128"), None);
        assert_eq!(read("3: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120"), None);
        assert_eq!(read("4: FLOCK  ADVISORY  READ 1234 fd:01:5678 0 EOF"), None);
        assert_eq!(read(""), None);
    }
}
