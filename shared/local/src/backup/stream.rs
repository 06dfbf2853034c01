//! Writes to a pipe whose reader may be slow or may stop: while a write waits, signals and the write-ahead log are looked at.

use std::io::{self, ErrorKind, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::source::Source;
use super::target;

/// How many bytes a pipe that is ready for writing certainly takes.
const READY_BYTES: usize = 4096;
/// How long one wait for the reader lasts.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

pub struct StreamWriter<'a> {
    to: target::Stream,
    source: &'a Source,
    pub written: u64,
}

impl<'a> StreamWriter<'a> {
    pub fn new(to: target::Stream, source: &'a Source) -> Self {
        Self { to, source, written: 0 }
    }

    fn is_ready(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.to.file, PollFlags::OUT)];
        match poll(&mut fds, Some(&WAIT)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Write for StreamWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.source.tick()?;
            if self.to.may_wait && !self.is_ready()? {
                continue;
            }
            let part = if self.to.may_wait { &bytes[..bytes.len().min(READY_BYTES)] } else { bytes };
            match self.to.file.write(part) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return written.inspect(|bytes| self.written += *bytes as u64),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.file.flush()
    }
}
