//! Bytes of files as they are sent, read block by block.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::ports::{BodySource, Disk, FileReader};

/// The bytes that are read at once.
const BLOCK: u64 = 64 << 10;

/// A piece of a body.
#[derive(Clone)]
pub enum Segment {
    Bytes(Bytes),
    /// This range of a file. A file that ends earlier is an error: it has changed.
    File {
        path: PathBuf,
        offset: u64,
        length: u64,
    },
}

impl Segment {
    pub fn length(&self) -> u64 {
        match self {
            Segment::Bytes(bytes) => bytes.len() as u64,
            Segment::File { length, .. } => *length,
        }
    }
}

/// Reads segments one after the other.
pub struct Segments {
    disk: Arc<dyn Disk>,
    left: std::vec::IntoIter<Segment>,
    open: Option<(Box<dyn FileReader>, u64, u64)>,
    /// Counts the bytes that were handed out.
    sent: Arc<AtomicU64>,
}

impl Segments {
    pub fn new(disk: Arc<dyn Disk>, segments: Vec<Segment>, sent: Arc<AtomicU64>) -> Self {
        Self { disk, left: segments.into_iter(), open: None, sent }
    }

    fn read(&mut self) -> io::Result<Option<Bytes>> {
        let Some((reader, offset, left)) = &mut self.open else { return Ok(None) };
        if *left == 0 {
            self.open = None;
            return Ok(None);
        }
        let size = usize::try_from(BLOCK.min(*left)).unwrap_or(usize::MAX);
        let mut block = vec![0; size];
        let read = reader.read_at(*offset, &mut block)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        block.truncate(read);
        *offset += read as u64;
        *left -= read as u64;
        Ok(Some(block.into()))
    }
}

impl BodySource for Segments {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.read()? {
                self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                return Ok(Some(bytes));
            }
            match self.left.next() {
                None => return Ok(None),
                Some(Segment::Bytes(bytes)) if bytes.is_empty() => {}
                Some(Segment::Bytes(bytes)) => {
                    self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    return Ok(Some(bytes));
                }
                Some(Segment::File { path, offset, length }) => {
                    self.open = Some((self.disk.open(&path)?, offset, length));
                }
            }
        }
    }
}
