//! A look at the next bytes of a stream, of bounded width: what a file claims never takes memory.

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

    /// The next bytes: as many as wanted, if the file has them and the window is so wide.
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

    /// How many bytes were used up.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next bytes, used up.
    pub fn take(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let got = self.peek(wanted)?.len();
        self.start += got;
        self.at += got as u64;
        Ok(&self.buffer[self.start - got..self.start])
    }

    /// Uses up bytes without looking at them, as far as the file goes; says how many.
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

    /// The next bytes, used up, in place of what is in `into`.
    pub fn take_into(&mut self, wanted: usize, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        into.extend_from_slice(self.take(wanted)?);
        Ok(())
    }

    pub fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        Ok(self.take(N)?.try_into().ok())
    }
}
