//! A window of bounded size on the next bytes of a stream, so that a size that a file claims never allocates memory.

use std::io::{self, Read};

pub(crate) struct Window<'r> {
    read: Box<dyn Read + 'r>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    at: u64,
}

impl<'r> Window<'r> {
    pub fn new(read: Box<dyn Read + 'r>, width: usize) -> Self {
        Self { read, buffer: vec![0; width].into_boxed_slice(), start: 0, end: 0, at: 0 }
    }

    /// Returns the next bytes without consuming them: as many as wanted, if the file has them and the window is large
    /// enough.
    pub fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let wanted = wanted.min(self.buffer.len());
        if self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < wanted {
            match self.read.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(0) => break,
                Ok(got) => self.end += got.min(self.buffer.len() - self.end),
            }
        }
        Ok(&self.buffer[self.start..self.end.min(self.start + wanted)])
    }

    /// The number of bytes that were consumed.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Consumes and returns the next bytes.
    pub fn take(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let got = self.peek(wanted)?.len();
        self.start += got;
        self.at += got as u64;
        Ok(&self.buffer[self.start - got..self.start])
    }

    /// Consumes bytes without returning them, up to the end of the file. Returns how many.
    pub fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            match self.take(step)?.len() {
                0 => break,
                got => left -= got as u64,
            }
        }
        Ok(bytes - left)
    }

    /// Consumes the next bytes into `into`, replacing its content.
    pub fn take_into(&mut self, wanted: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(self.take(wanted)?);
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        Ok(self.take(N)?.try_into().ok())
    }
}
