//! How far the files are, as a bar on a terminal.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::ChunkId;
use terminal::Screen;
use terminal::wrap::width;

const MIB: f64 = 1024.0 * 1024.0;
/// The widest bar, and the narrowest one that says anything.
const WIDEST: usize = 30;
const NARROWEST: usize = 5;
/// Goes to the beginning of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// The bytes that the server has of each file, and all of its bytes.
#[derive(Clone, Default)]
pub struct Bytes(Arc<Mutex<BTreeMap<ChunkId, (u64, u64)>>>);

impl Bytes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChunkId, (u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is to be sent.
    pub fn expect(&self, id: ChunkId, all: u64) {
        self.lock().insert(id, (0, all));
    }

    /// Bytes of a file are sent; files of earlier commands are not counted.
    pub fn sent(&self, id: ChunkId, sent: u64) {
        if let Some((so_far, all)) = self.lock().get_mut(&id) {
            *so_far = sent.min(*all);
        }
    }

    /// The server has the whole file.
    pub fn whole(&self, id: ChunkId) {
        if let Some((so_far, all)) = self.lock().get_mut(&id) {
            *so_far = *all;
        }
    }

    pub fn totals(&self) -> (u64, u64) {
        self.lock().values().fold((0, 0), |(sent, all), (one_sent, one_all)| (sent + one_sent, all + one_all))
    }
}

/// The line on standard error that shows the progress. Elsewhere than on a terminal it shows nothing.
pub struct Bar {
    is_shown: bool,
    last: String,
}

impl Bar {
    pub fn new() -> Self {
        // The words go to standard output, which may be a file while a person looks on.
        Self { is_shown: io::stderr().is_terminal(), last: String::new() }
    }

    pub fn show(&mut self, line: String) {
        if self.is_shown && line != self.last {
            // A terminal that is gone is no reason to stop sending.
            let _ = write!(io::stderr(), "{CLEAR}{line}").and_then(|()| io::stderr().flush());
            self.last = line;
        }
    }

    /// Makes room for something else.
    pub fn clear(&mut self) {
        if self.is_shown && !self.last.is_empty() {
            let _ = write!(io::stderr(), "{CLEAR}").and_then(|()| io::stderr().flush());
            self.last.clear();
        }
    }
}

/// The line for so many sent bytes and what the server is doing, within the width of the terminal.
pub fn line(sent: u64, all: u64, words: &str, room: usize) -> String {
    let percent = (sent * 100).checked_div(all).unwrap_or(100);
    let numbers = format!(" {percent:>3} %  {:.1} of {:.1} MiB", sent as f64 / MIB, all as f64 / MIB);
    let words = if words.is_empty() { String::new() } else { format!("  {words}") };
    // The last column stays free: some terminals break the line there.
    let room = room.saturating_sub(1);
    let left = room.saturating_sub(width(&numbers) + width(&words) + 2);
    if left < NARROWEST {
        return (numbers.trim_start().to_owned() + &words).chars().take(room).collect();
    }
    let cells = left.min(WIDEST);
    let full = usize::try_from(percent).unwrap_or(0) * cells / 100;
    format!("[{}{}]{numbers}{words}", "#".repeat(full), "-".repeat(cells - full))
}

/// The width of the terminal that shows the bar.
pub fn room() -> usize {
    Screen::of_stderr().width.unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_fits_the_terminal() {
        let of = |sent, words, room| line(sent, 27 << 20, words, room);
        assert_eq!(of(0, "", 80), "[------------------------------]   0 %  0.0 of 27.0 MiB");
        assert_eq!(
            of(27 << 20, "", 40),
            "[###############] 100 %  27.0 of 27.0 MiB".replacen("###############", "#############", 1)
        );
        assert_eq!(of(9 << 20, "1 of 3 files", 40), "33 %  9.0 of 27.0 MiB  1 of 3 files");
        for room in [20, 40, 41, 60, 80, 200] {
            assert!(width(&of(5 << 20, "3 of 10 recordings are done", room)) < room, "{room}");
        }
        assert_eq!(line(0, 0, "", 80).matches('#').count(), WIDEST);
    }

    #[test]
    fn bytes_are_counted_for_expected_files_only() {
        let bytes = Bytes::default();
        bytes.expect(ChunkId(1), 100);
        bytes.expect(ChunkId(2), 50);
        bytes.sent(ChunkId(1), 40);
        bytes.sent(ChunkId(9), 1000);
        bytes.sent(ChunkId(2), 80);
        assert_eq!(bytes.totals(), (90, 150));
        bytes.sent(ChunkId(1), 10);
        bytes.whole(ChunkId(2));
        assert_eq!(bytes.totals(), (60, 150));
    }
}
