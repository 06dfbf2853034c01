//! A staged blob as the blocking reader that decoders want, fed from the store's stream through a short channel.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use domain::Sha256Hex;
use futures_util::{StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::counted;
use crate::error::Result;

/// Pieces on the way between the store and the decoder: at most a MiB.
const PIECES: usize = 4;
/// A file up to this size is kept from the first pass for the second: most device recordings are smaller.
const KEPT_BYTES: u64 = 2 * 1024 * 1024;

/// What the feeder sends; a channel that closes without `End` broke off.
enum Fed {
    Piece(Result<Bytes>),
    End,
}

/// Reads what a stream gives.
pub struct BytesIn {
    source: Source,
    current: Bytes,
    over: bool,
}

enum Source {
    Memory,
    Stream(mpsc::Receiver<Fed>),
}

impl BytesIn {
    /// Starts feeding. The feeder ends when the reader is dropped; the reading ends, as broken, when the guard is.
    pub fn feed(stream: BoxStream<'static, Result<Bytes>>) -> (Self, DropGuard) {
        let (send, pieces) = mpsc::channel(PIECES);
        let stop = CancellationToken::new();
        let feeding = feed(stream, send);
        tokio::spawn(stop.clone().run_until_cancelled_owned(feeding));
        (Self { source: Source::Stream(pieces), current: Bytes::new(), over: false }, stop.drop_guard())
    }

    /// The guard has nothing to end.
    pub fn memory(bytes: Bytes) -> (Self, DropGuard) {
        (Self { source: Source::Memory, current: bytes, over: false }, CancellationToken::new().drop_guard())
    }

    /// The next bytes, as they came; `None` at the end.
    fn piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.current.is_empty() && !self.over {
            match &mut self.source {
                Source::Memory => self.over = true,
                Source::Stream(pieces) => match pieces.blocking_recv() {
                    Some(Fed::Piece(piece)) => self.current = piece.map_err(io::Error::other)?,
                    Some(Fed::End) => self.over = true,
                    // Not the end of the blob: whoever fed it is gone.
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                },
            }
        }
        Ok((!self.current.is_empty()).then(|| self.current.clone()))
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
        self.current.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}

/// A reader that digests what passes, and keeps it when it is small.
pub struct Witness {
    bytes: BytesIn,
    digest: Sha256,
    kept: Option<Vec<u8>>,
}

impl Witness {
    /// `size`: of a file whose bytes are wanted afterwards.
    pub fn new(bytes: BytesIn, size: Option<u64>) -> Self {
        let kept = size.filter(|size| *size <= KEPT_BYTES).map(|size| Vec::with_capacity(size as usize));
        Self { bytes, digest: Sha256::new(), kept }
    }

    /// Reads what a decoder left; says what all of it was, and gives back what was kept.
    pub fn finish(mut self) -> io::Result<(Sha256Hex, Option<Bytes>)> {
        while let Some(piece) = self.bytes.piece()? {
            self.saw(&piece);
            self.bytes.current.clear();
        }
        Ok((Sha256Hex(self.digest.finalize().into()), self.kept.map(Bytes::from)))
    }

    fn saw(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
        match &mut self.kept {
            // A blob that is longer than its job says is not kept.
            Some(kept) if kept.len() + bytes.len() <= KEPT_BYTES as usize => kept.extend_from_slice(bytes),
            kept => *kept = None,
        }
    }
}

impl Read for Witness {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(into)?;
        self.saw(&into[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::error::{Error, Kind};

    async fn read(pieces: Vec<Result<Bytes>>, size: u64) -> io::Result<(Vec<u8>, Sha256Hex, Option<Bytes>)> {
        let (bytes, _feeding) = BytesIn::feed(stream::iter(pieces).boxed());
        let mut witness = Witness::new(bytes, Some(size));
        tokio::task::spawn_blocking(move || {
            let mut first = vec![0; 3];
            witness.read_exact(&mut first)?;
            witness.finish().map(|(digest, kept)| (first, digest, kept))
        })
        .await
        .unwrap()
    }

    fn piece(text: &'static str) -> Result<Bytes> {
        Ok(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn what_a_decoder_leaves_is_digested_and_kept_too() {
        let (first, digest, kept) = read(vec![piece("ab"), piece("cde"), piece("f")], 6).await.unwrap();
        assert_eq!(first, b"abc");
        assert_eq!(digest, Sha256Hex(Sha256::digest(b"abcdef").into()));
        assert_eq!(kept.unwrap(), "abcdef");
    }

    #[tokio::test]
    async fn a_large_file_is_not_kept() {
        assert_eq!(read(vec![piece("abcdef")], KEPT_BYTES + 1).await.unwrap().2, None);
    }

    #[tokio::test]
    async fn a_read_that_breaks_is_the_stores_error_and_never_the_end() {
        let broken = Err(Error::new(Kind::Unavailable, "blobs.read", "x"));
        let error = read(vec![piece("abc"), broken], 6).await.unwrap_err();
        assert_eq!(error.downcast::<Error>().unwrap().kind, Kind::Unavailable);
    }
}
