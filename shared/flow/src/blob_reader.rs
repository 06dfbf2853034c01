//! A blocking reader over a staged blob, as decoders need it, fed from the store's stream through a short channel.
//!
//! Nearly every file is read once, from start to end. A sound file with its index at the end is read by ranges: a jump
//! opens the store's stream again at the new position. Nothing is copied to a disk.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use audio::Input;
use bytes::{Buf, Bytes};
use domain::{Format, Sha256Hex};
use futures_util::{StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Result;
use crate::metrics;
use crate::ports::{BlobName, Blobs, Clock};
use crate::retry::with_retries;

/// The pieces buffered between the store and the decoder: at most one MiB.
const PIECES: usize = 4;
/// A file up to this size is kept in memory from the first pass for the second. Most device recordings are smaller.
const KEPT_BYTES: u64 = 2 * 1024 * 1024;

/// A message of the feeder. If the channel closes without `End`, the stream was interrupted.
enum FeedMessage {
    Piece(Result<Bytes>),
    End,
}

/// A jump forward of at most this many bytes reads them, because opening a new stream takes longer.
const NEAR_BYTES: u64 = 512 * 1024;

/// A blocking reader over a stream of bytes.
pub struct BlobReader {
    source: Source,
    current: Bytes,
    at_end: bool,
    /// The position of the first byte of `current` in the blob.
    position: u64,
    ranges: Option<Ranges>,
}

enum Source {
    Memory(Bytes),
    Stream(mpsc::Receiver<FeedMessage>),
    /// The stream is opened with the next read, so that seeking to the end and back costs nothing.
    Closed,
}

/// Opens a blob again at another position, from the decoding thread.
pub struct Ranges {
    blobs: Arc<dyn Blobs>,
    name: BlobName,
    size: u64,
    runtime: Handle,
    stop: CancellationToken,
}

impl Ranges {
    /// `Some` for a file that may have to be read by ranges. Has to be called within a runtime.
    pub fn wanted(format: &Format, blobs: &Arc<dyn Blobs>, name: &BlobName, size: u64) -> Option<Self> {
        audio::may_need_random_access(format).then(|| Self {
            blobs: Arc::clone(blobs),
            name: name.clone(),
            size,
            runtime: Handle::current(),
            stop: CancellationToken::new(),
        })
    }

    fn open(&self, position: u64) -> io::Result<mpsc::Receiver<FeedMessage>> {
        let opened = self.runtime.block_on(self.stop.run_until_cancelled(self.blobs.read(&self.name, position)));
        // The delivery that waited for this has ended.
        let stream = opened.ok_or(io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)?;
        let (send, pieces) = mpsc::channel(PIECES);
        self.runtime.spawn(self.stop.clone().run_until_cancelled_owned(feed(stream, send)));
        Ok(pieces)
    }
}

/// A staged blob of audio, which can be read repeatedly.
pub struct StagedBlob<'w> {
    pub blobs: &'w Arc<dyn Blobs>,
    pub blob: BlobName,
    pub size: u64,
    pub format: Format,
    /// If set, opening the blob is retried while the store is briefly unavailable.
    pub clock: Option<&'w dyn Clock>,
}

impl StagedBlob<'_> {
    /// Opens the blob at this byte. Has to be called within a runtime.
    pub async fn open_at(&self, byte: u64) -> Result<(BlobReader, DropGuard)> {
        let read = || self.blobs.read(&self.blob, byte);
        let stream = match self.clock {
            Some(clock) => with_retries(clock, read).await?,
            None => read().await?,
        };
        let (bytes, feeding) =
            BlobReader::feed(stream, Ranges::wanted(&self.format, self.blobs, &self.blob, self.size));
        Ok((BlobReader { position: byte, ..bytes }, feeding))
    }

    pub async fn open(&self) -> Result<(BlobReader, DropGuard)> {
        self.open_at(0).await
    }
}

impl BlobReader {
    /// Starts feeding. The feeder ends when the reader is dropped. When the guard is dropped, reading fails as interrupted.
    pub fn feed(stream: BoxStream<'static, Result<Bytes>>, ranges: Option<Ranges>) -> (Self, DropGuard) {
        let (send, pieces) = mpsc::channel(PIECES);
        let stop = ranges.as_ref().map(|ranges| ranges.stop.clone()).unwrap_or_default();
        let feeding = feed(stream, send);
        tokio::spawn(stop.clone().run_until_cancelled_owned(feeding));
        let source = Source::Stream(pieces);
        (Self { source, current: Bytes::new(), at_end: false, position: 0, ranges }, stop.drop_guard())
    }

    /// A reader over bytes in memory. Its guard has no effect.
    pub fn memory(bytes: Bytes) -> (Self, DropGuard) {
        let source = Source::Memory(bytes.clone());
        (
            Self { source, current: bytes, at_end: false, position: 0, ranges: None },
            CancellationToken::new().drop_guard(),
        )
    }

    pub fn is_at_start(&self) -> bool {
        self.position == 0
    }

    pub fn is_in_memory(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    /// The input for the decoder of this format.
    pub fn input(&mut self, format: &Format) -> Input<'_> {
        if audio::may_need_random_access(format) { Input::ranges(self) } else { Input::from(self) }
    }

    /// The next bytes, as they came; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.current.is_empty() && !self.at_end {
            match &mut self.source {
                Source::Memory(_) => self.at_end = true,
                Source::Stream(pieces) => match pieces.blocking_recv() {
                    Some(FeedMessage::Piece(piece)) => self.current = piece.map_err(io::Error::other)?,
                    Some(FeedMessage::End) => self.at_end = true,
                    // This is not the end of the blob: the feeder was stopped.
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
                Source::Closed => {
                    let ranges = self.ranges.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                    self.source = Source::Stream(ranges.open(self.position)?);
                }
            }
        }
        Ok((!self.current.is_empty()).then(|| self.current.clone()))
    }

    fn consume(&mut self, bytes: usize) {
        self.current.advance(bytes);
        self.position += bytes as u64;
    }

    fn size(&self) -> io::Result<u64> {
        match (&self.source, &self.ranges) {
            (Source::Memory(bytes), _) => Ok(bytes.len() as u64),
            (_, Some(ranges)) => Ok(ranges.size),
            (_, None) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// A reader over bytes in memory that starts at this byte.
    pub fn memory_at(bytes: &Bytes, byte: u64) -> Self {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        let (mut inside, _) = Self::memory(bytes.clone());
        inside.current = bytes.slice(byte..);
        inside.position = byte as u64;
        inside
    }

    fn jump(&mut self, to: u64) -> io::Result<()> {
        if let Source::Memory(bytes) = &self.source {
            self.current = bytes.slice(usize::try_from(to).unwrap_or(usize::MAX).min(bytes.len())..);
            (self.position, self.at_end) = (to, false);
            return Ok(());
        }
        while to > self.position && to - self.position <= NEAR_BYTES && matches!(self.source, Source::Stream(_)) {
            let Some(piece) = self.piece()? else { break };
            let far = usize::try_from(to - self.position).unwrap_or(usize::MAX);
            self.consume(piece.len().min(far));
        }
        if to != self.position {
            self.current = Bytes::new();
            (self.source, self.position, self.at_end) = (Source::Closed, to, to >= self.size()?);
        }
        Ok(())
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.size()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.jump(place.ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok(self.position)
    }
}

async fn feed(mut stream: BoxStream<'static, Result<Bytes>>, send: mpsc::Sender<FeedMessage>) {
    while let Some(piece) = stream.next().await {
        let broken = piece.is_err();
        metrics::read(piece.as_ref().map_or(0, Bytes::len));
        if send.send(FeedMessage::Piece(piece)).await.is_err() || broken {
            return;
        }
    }
    let _ = send.send(FeedMessage::End).await;
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.piece()?.is_none() {
            return Ok(0);
        }
        let n = into.len().min(self.current.len());
        into[..n].copy_from_slice(&self.current[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Reads everything, and returns the digest, and the bytes themselves if they are few.
pub fn digest(bytes: BlobReader, size: u64) -> io::Result<(Sha256Hex, Option<Bytes>)> {
    let (mut keeper, mut digest) = (KeepingReader::new(bytes, size), Sha256::new());
    while let Some(piece) = keeper.piece()? {
        digest.update(&piece);
    }
    Ok((Sha256Hex(digest.finalize().into()), keeper.finish()?.0))
}

/// A reader that keeps a copy of the bytes of a small file.
pub struct KeepingReader {
    bytes: BlobReader,
    kept: Option<Vec<u8>>,
}

impl KeepingReader {
    /// `size` is the announced size of the file.
    pub fn new(bytes: BlobReader, size: u64) -> Self {
        let kept = (size <= KEPT_BYTES).then(|| Vec::with_capacity(size as usize));
        Self { bytes, kept }
    }

    /// Reads what the decoder left, and returns the kept bytes and the reader.
    pub fn finish(mut self) -> io::Result<(Option<Bytes>, BlobReader)> {
        while self.kept.is_some() && self.piece()?.is_some() {}
        Ok((self.kept.map(Bytes::from), self.bytes))
    }

    /// The next bytes, as they came; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.bytes.piece()?;
        if let Some(piece) = &piece {
            self.keep(piece);
            self.bytes.consume(piece.len());
        }
        Ok(piece)
    }

    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.kept {
            // A blob that is longer than announced is not kept.
            Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES as usize => kept.extend_from_slice(bytes),
            kept => *kept = None,
        }
    }
}

impl Read for KeepingReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(into)?;
        self.keep(&into[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
