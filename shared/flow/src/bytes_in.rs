//! A staged blob as the blocking reader that decoders want, fed from the store's stream through a short channel.
//!
//! Nearly everything is read once, from its start to its end. A sound file whose index stands at its end is read by
//! ranges: a jump opens the store's stream anew, at the new place. Nothing is copied to a disk.

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

use crate::counted;
use crate::error::Result;
use crate::persist::persist;
use crate::ports::{BlobName, Blobs, Clock};

/// Pieces on the way between the store and the decoder: at most a MiB.
const PIECES: usize = 4;
/// A file up to this size is kept from the first pass for the second: most device recordings are smaller.
const KEPT_BYTES: u64 = 2 * 1024 * 1024;

/// What the feeder sends; a channel that closes without `End` broke off.
enum Fed {
    Piece(Result<Bytes>),
    End,
}

/// A jump forward of at most this is read over: opening a stream anew takes longer.
const NEAR_BYTES: u64 = 512 * 1024;

/// Reads what a stream gives.
pub struct BytesIn {
    source: Source,
    current: Bytes,
    over: bool,
    /// The place of the next byte of `current`.
    at: u64,
    ranges: Option<Ranges>,
}

enum Source {
    Memory(Bytes),
    Stream(mpsc::Receiver<Fed>),
    /// Opened with the next read: a reader that looks for the end, and goes back, costs nothing.
    Closed,
}

/// What it takes to open a blob anew, from the thread that decodes.
pub struct Ranges {
    blobs: Arc<dyn Blobs>,
    name: BlobName,
    size: u64,
    runtime: Handle,
    stop: CancellationToken,
}

impl Ranges {
    /// Of a file that may have to be read by ranges; others are streams. Called where a runtime is.
    pub fn wanted(format: &Format, blobs: &Arc<dyn Blobs>, name: &BlobName, size: u64) -> Option<Self> {
        audio::may_need_ranges(format).then(|| Self {
            blobs: Arc::clone(blobs),
            name: name.clone(),
            size,
            runtime: Handle::current(),
            stop: CancellationToken::new(),
        })
    }

    fn open(&self, at: u64) -> io::Result<mpsc::Receiver<Fed>> {
        let opened = self.runtime.block_on(self.stop.run_until_cancelled(self.blobs.read(&self.name, at)));
        // Whoever waited for this is gone.
        let stream = opened.ok_or(io::ErrorKind::BrokenPipe)?.map_err(io::Error::other)?;
        let (send, pieces) = mpsc::channel(PIECES);
        self.runtime.spawn(self.stop.clone().run_until_cancelled_owned(feed(stream, send)));
        Ok(pieces)
    }
}

/// A blob with audio in it, which can be read as often as it takes.
pub struct Staged<'w> {
    pub blobs: &'w Arc<dyn Blobs>,
    pub blob: BlobName,
    pub size: u64,
    pub format: Format,
    /// With it, a store that is away for a moment is asked again.
    pub clock: Option<&'w dyn Clock>,
}

impl Staged<'_> {
    /// From this byte on. Called where a runtime is.
    pub async fn open_at(&self, byte: u64) -> Result<(BytesIn, DropGuard)> {
        let read = || self.blobs.read(&self.blob, byte);
        let stream = match self.clock {
            Some(clock) => persist(clock, read).await?,
            None => read().await?,
        };
        let (bytes, feeding) = BytesIn::feed(stream, Ranges::wanted(&self.format, self.blobs, &self.blob, self.size));
        Ok((BytesIn { at: byte, ..bytes }, feeding))
    }

    pub async fn open(&self) -> Result<(BytesIn, DropGuard)> {
        self.open_at(0).await
    }
}

impl BytesIn {
    /// Starts feeding. The feeder ends when the reader is dropped; the reading ends, as broken, when the guard is.
    pub fn feed(stream: BoxStream<'static, Result<Bytes>>, ranges: Option<Ranges>) -> (Self, DropGuard) {
        let (send, pieces) = mpsc::channel(PIECES);
        let stop = ranges.as_ref().map(|ranges| ranges.stop.clone()).unwrap_or_default();
        let feeding = feed(stream, send);
        tokio::spawn(stop.clone().run_until_cancelled_owned(feeding));
        let source = Source::Stream(pieces);
        (Self { source, current: Bytes::new(), over: false, at: 0, ranges }, stop.drop_guard())
    }

    /// The guard has nothing to end.
    pub fn memory(bytes: Bytes) -> (Self, DropGuard) {
        let source = Source::Memory(bytes.clone());
        (Self { source, current: bytes, over: false, at: 0, ranges: None }, CancellationToken::new().drop_guard())
    }

    pub fn is_at_start(&self) -> bool {
        self.at == 0
    }

    pub fn is_in_memory(&self) -> bool {
        matches!(self.source, Source::Memory(_))
    }

    /// As the decoder of this format wants it.
    pub fn input(&mut self, format: &Format) -> Input<'_> {
        if audio::may_need_ranges(format) { Input::ranges(self) } else { Input::from(self) }
    }

    /// The next bytes, as they came; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.current.is_empty() && !self.over {
            match &mut self.source {
                Source::Memory(_) => self.over = true,
                Source::Stream(pieces) => match pieces.blocking_recv() {
                    Some(Fed::Piece(piece)) => self.current = piece.map_err(io::Error::other)?,
                    Some(Fed::End) => self.over = true,
                    // Not the end of the blob: whoever fed it is gone.
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
                Source::Closed => {
                    let ranges = self.ranges.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                    self.source = Source::Stream(ranges.open(self.at)?);
                }
            }
        }
        Ok((!self.current.is_empty()).then(|| self.current.clone()))
    }

    fn use_up(&mut self, bytes: usize) {
        self.current.advance(bytes);
        self.at += bytes as u64;
    }

    fn size(&self) -> io::Result<u64> {
        match (&self.source, &self.ranges) {
            (Source::Memory(bytes), _) => Ok(bytes.len() as u64),
            (_, Some(ranges)) => Ok(ranges.size),
            (_, None) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// What is in memory, from this byte on.
    pub fn memory_at(bytes: &Bytes, byte: u64) -> Self {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        let (mut inside, _) = Self::memory(bytes.clone());
        inside.current = bytes.slice(byte..);
        inside.at = byte as u64;
        inside
    }

    fn jump(&mut self, to: u64) -> io::Result<()> {
        if let Source::Memory(bytes) = &self.source {
            self.current = bytes.slice(usize::try_from(to).unwrap_or(usize::MAX).min(bytes.len())..);
            (self.at, self.over) = (to, false);
            return Ok(());
        }
        while to > self.at && to - self.at <= NEAR_BYTES && matches!(self.source, Source::Stream(_)) {
            let Some(piece) = self.piece()? else { break };
            let far = usize::try_from(to - self.at).unwrap_or(usize::MAX);
            self.use_up(piece.len().min(far));
        }
        if to != self.at {
            self.current = Bytes::new();
            (self.source, self.at, self.over) = (Source::Closed, to, to >= self.size()?);
        }
        Ok(())
    }
}

impl Seek for BytesIn {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.size()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.jump(place.ok_or(io::ErrorKind::InvalidInput)?)?;
        Ok(self.at)
    }
}

async fn feed(mut stream: BoxStream<'static, Result<Bytes>>, send: mpsc::Sender<Fed>) {
    while let Some(piece) = stream.next().await {
        let broken = piece.is_err();
        counted::read(piece.as_ref().map_or(0, Bytes::len));
        if send.send(Fed::Piece(piece)).await.is_err() || broken {
            return;
        }
    }
    let _ = send.send(Fed::End).await;
}

impl Read for BytesIn {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || self.piece()?.is_none() {
            return Ok(0);
        }
        let n = into.len().min(self.current.len());
        into[..n].copy_from_slice(&self.current[..n]);
        self.use_up(n);
        Ok(n)
    }
}

/// Reads all of it: the digest, and the bytes themselves when they are few.
pub fn digest(bytes: BytesIn, size: u64) -> io::Result<(Sha256Hex, Option<Bytes>)> {
    let (mut keeper, mut digest) = (Keeper::new(bytes, size), Sha256::new());
    while let Some(piece) = keeper.piece()? {
        digest.update(&piece);
    }
    Ok((Sha256Hex(digest.finalize().into()), keeper.finish()?.0))
}

/// A reader that keeps what passes when it is small.
pub struct Keeper {
    bytes: BytesIn,
    kept: Option<Vec<u8>>,
}

impl Keeper {
    /// `size`: as it was announced.
    pub fn new(bytes: BytesIn, size: u64) -> Self {
        let kept = (size <= KEPT_BYTES).then(|| Vec::with_capacity(size as usize));
        Self { bytes, kept }
    }

    /// What was kept, with what a decoder left, and the reader.
    pub fn finish(mut self) -> io::Result<(Option<Bytes>, BytesIn)> {
        while self.kept.is_some() && self.piece()?.is_some() {}
        Ok((self.kept.map(Bytes::from), self.bytes))
    }

    /// The next bytes, as they came; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.bytes.piece()?;
        if let Some(piece) = &piece {
            self.keep(piece);
            self.bytes.use_up(piece.len());
        }
        Ok(piece)
    }

    fn keep(&mut self, bytes: &[u8]) {
        match &mut self.kept {
            // A blob that is longer than its job says is not kept.
            Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES as usize => kept.extend_from_slice(bytes),
            kept => *kept = None,
        }
    }
}

impl Read for Keeper {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(into)?;
        self.keep(&into[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use futures_util::stream;

    use super::*;
    use crate::error::{Error, Kind};
    use crate::ports::BlobWriter;

    fn fed(pieces: Vec<Result<Bytes>>) -> (BytesIn, DropGuard) {
        BytesIn::feed(stream::iter(pieces).boxed(), None)
    }

    /// What a decoder reads that wants three bytes, and what is kept.
    async fn kept(pieces: Vec<Result<Bytes>>, size: u64) -> io::Result<(Vec<u8>, Option<Bytes>)> {
        let (bytes, _feeding) = fed(pieces);
        let mut keeper = Keeper::new(bytes, size);
        tokio::task::spawn_blocking(move || {
            let mut first = vec![0; 3];
            keeper.read_exact(&mut first)?;
            keeper.finish().map(|(kept, _)| (first, kept))
        })
        .await
        .unwrap()
    }

    async fn digested(pieces: Vec<Result<Bytes>>, size: u64) -> io::Result<(Sha256Hex, Option<Bytes>)> {
        let (bytes, _feeding) = fed(pieces);
        tokio::task::spawn_blocking(move || digest(bytes, size)).await.unwrap()
    }

    fn piece(text: &'static str) -> Result<Bytes> {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn what_a_decoder_leaves_is_kept_too() {
        let (first, kept) = kept(vec![piece("ab"), piece("cde"), piece("f")], 6).await.unwrap();
        assert_eq!((&*first, kept.unwrap()), (&b"abc"[..], Bytes::from_static(b"abcdef")));
    }

    #[tokio::test]
    async fn every_byte_is_digested_and_few_bytes_are_kept() {
        let expected = Sha256Hex(Sha256::digest(b"abcdef").into());
        for (size, stays) in [(6, true), (KEPT_BYTES + 1, false)] {
            let (digest, kept) = digested(vec![piece("ab"), piece("cde"), piece("f")], size).await.unwrap();
            assert_eq!((digest, kept), (expected, stays.then(|| Bytes::from_static(b"abcdef"))), "{size}");
        }
    }

    #[tokio::test]
    async fn a_large_file_is_not_kept() {
        assert_eq!(kept(vec![piece("abcdef")], KEPT_BYTES + 1).await.unwrap().1, None);
    }

    #[tokio::test]
    async fn a_read_that_breaks_is_the_stores_error_and_never_the_end() {
        let broken = || vec![piece("abc"), Err(Error::new(Kind::Unavailable, "blobs.read", "x"))];
        for error in [kept(broken(), 6).await.unwrap_err(), digested(broken(), 6).await.unwrap_err()] {
            assert_eq!(error.downcast::<Error>().unwrap().kind, Kind::Unavailable);
        }
    }

    /// A blob that remembers from where it was read.
    struct Opened {
        bytes: Vec<u8>,
        at: Mutex<Vec<u64>>,
    }

    #[async_trait::async_trait]
    impl Blobs for Opened {
        async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
            Err(Error::new(Kind::Unavailable, "blobs.create", name))
        }

        async fn read(&self, _: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
            self.at.lock().unwrap().push(offset);
            let rest = self.bytes[usize::try_from(offset).unwrap()..].to_vec();
            let pieces: Vec<_> = rest.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            Ok(stream::iter(pieces).boxed())
        }

        async fn delete(&self, _: &BlobName) -> Result<()> {
            Ok(())
        }

        async fn list(&self, _: &str, _: Option<&BlobName>, _: usize) -> Result<Vec<(BlobName, Duration)>> {
            Ok(Vec::new())
        }

        async fn ready(&self) -> Result<()> {
            Ok(())
        }
    }

    async fn opened(size: usize) -> (Arc<Opened>, BytesIn, DropGuard) {
        let bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let blob = Arc::new(Opened { bytes, at: Mutex::default() });
        let (blobs, name): (Arc<dyn Blobs>, _) = (blob.clone(), BlobName::listed("x".to_owned()));
        let m4a = domain::name::parse("x.m4a").unwrap().format;
        let ranges = Ranges::wanted(&m4a, &blobs, &name, size as u64);
        let (bytes, feeding) = BytesIn::feed(blobs.read(&name, 0).await.unwrap(), ranges);
        (blob, bytes, feeding)
    }

    #[tokio::test]
    async fn a_jump_opens_the_blob_anew_and_a_short_one_reads_on() {
        const MIB: u64 = 1 << 20;
        let (blob, mut bytes, _feeding) = opened(5 << 20).await;
        let read = move || {
            let mut places = Vec::new();
            let jumps = [
                SeekFrom::Start(300_000),
                SeekFrom::End(-10),
                SeekFrom::Start(MIB),
                SeekFrom::Current(9),
                SeekFrom::End(0),
                SeekFrom::Start(7),
            ];
            for jump in jumps {
                let at = bytes.seek(jump)?;
                let mut byte = [0];
                let got = bytes.read(&mut byte)?;
                places.push((at, (got == 1).then_some(u64::from(byte[0]))));
            }
            io::Result::Ok(places)
        };
        let places = tokio::task::spawn_blocking(read).await.unwrap().unwrap();
        let at = [300_000, 5 * MIB - 10, MIB, MIB + 10, 5 * MIB, 7];
        let expected = at.map(|at| (at, (at < 5 * MIB).then_some(at % 251)));
        assert_eq!(places, expected);
        assert_eq!(*blob.at.lock().unwrap(), [0, 5 * MIB - 10, MIB, 7], "the end itself is not opened");
    }

    #[tokio::test]
    async fn who_is_not_waited_for_any_more_opens_nothing() {
        let (blob, mut bytes, feeding) = opened(5 << 20).await;
        drop(feeding);
        let read = move || {
            bytes.seek(SeekFrom::End(-10))?;
            bytes.read(&mut [0])
        };
        let error = tokio::task::spawn_blocking(read).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(*blob.at.lock().unwrap(), [0]);
    }

    #[test]
    fn what_is_in_memory_is_read_from_anywhere() {
        let (mut bytes, _) = BytesIn::memory(Bytes::from_static(b"abcdef"));
        let mut two = [0; 2];
        for (jump, expected) in [(SeekFrom::End(-2), b"ef"), (SeekFrom::Start(1), b"bc"), (SeekFrom::Current(0), b"de")]
        {
            bytes.seek(jump).unwrap();
            bytes.read_exact(&mut two).unwrap();
            assert_eq!(&two, expected);
        }
        assert_eq!((bytes.seek(SeekFrom::Start(99)).unwrap(), bytes.read(&mut two).unwrap()), (99, 0));
    }
}
