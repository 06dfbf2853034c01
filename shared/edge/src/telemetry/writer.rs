//! Writes log lines to standard error in a thread of their own. The program never waits for whoever reads its log, and goes
//! on if nobody can: a pipe may be full or closed, and a disk without room.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The number of lines that wait for their reader. Further lines are dropped and counted.
const WAITING_LINES: usize = 16 * 1024;
/// How long the end of the process waits for lines that are not written yet.
const FLUSH: Duration = Duration::from_secs(1);

const DROPPED: &str = "afterword_log_lines_dropped_total";

enum Message {
    Line(Vec<u8>),
    /// Everything before this is written: tell so.
    Flush(SyncSender<()>),
}

/// Takes lines for the thread.
#[derive(Clone)]
pub(super) struct Lines {
    to_thread: SyncSender<Message>,
}

/// Waits, when it is dropped at the end of the process, until the last lines are written.
#[must_use = "the last lines of the log are lost without it"]
pub struct FlushAtEnd(Option<SyncSender<Message>>);

/// Begins to write lines with `output`, which may block and fail.
pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<(Lines, FlushAtEnd)> {
    let (to_thread, lines) = sync_channel(WAITING_LINES);
    std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&lines, output))?;
    Ok((Lines { to_thread: to_thread.clone() }, FlushAtEnd(Some(to_thread))))
}

impl FlushAtEnd {
    /// For a process whose log was set up before.
    pub(super) fn nothing() -> Self {
        Self(None)
    }
}

fn write_all(lines: &Receiver<Message>, mut output: impl Write) {
    while let Ok(message) = lines.recv() {
        match message {
            // Nobody can be told of a log that cannot be written. The metric says so.
            Message::Line(line) => _ = output.write_all(&line).map_err(|_| count_dropped()),
            Message::Flush(done) => {
                let _ = output.flush();
                let _ = done.try_send(());
            }
        }
    }
}

fn count_dropped() {
    metrics::counter!(DROPPED).increment(1);
}

/// Describes the metric and sets it to zero, so that it is visible at once.
pub(crate) fn describe() {
    metrics::describe_counter!(DROPPED, "Lines of the log that could not be written");
    metrics::counter!(DROPPED).increment(0);
}

/// One line. It reaches the thread as a whole when it is dropped.
pub(super) struct Line<'l> {
    lines: &'l Lines,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let line = std::mem::take(&mut self.bytes);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.lines.to_thread.try_send(Message::Line(line))
        {
            count_dropped();
        }
    }
}

impl<'l> MakeWriter<'l> for Lines {
    type Writer = Line<'l>;

    fn make_writer(&'l self) -> Line<'l> {
        Line { lines: self, bytes: Vec::new() }
    }
}

impl Drop for FlushAtEnd {
    fn drop(&mut self) {
        let Some(to_thread) = self.0.take() else { return };
        let (done, is_done) = sync_channel(1);
        if to_thread.try_send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(FLUSH);
        }
    }
}
