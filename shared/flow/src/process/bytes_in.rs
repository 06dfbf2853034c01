//! A staged blob as the blocking reader that decoders want, fed from the store's stream through a short channel.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use domain::Sha256Hex;
use futures_util::{StreamExt, stream::BoxStream};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::error::Result;

/// Pieces on the way between the store and the decoder: at most a MiB.
const PIECES: usize = 4;

/// Reads what the stream gives, and digests it on the way.
pub struct BytesIn {
    pieces: mpsc::Receiver<Result<Bytes>>,
    current: Bytes,
    digest: Sha256,
    read: u64,
}

impl BytesIn {
    /// Starts feeding. The feeder ends when the reader is dropped.
    pub fn feed(mut stream: BoxStream<'static, Result<Bytes>>) -> Self {
        let (send, pieces) = mpsc::channel(PIECES);
        tokio::spawn(async move {
            while let Some(piece) = stream.next().await {
                let broken = piece.is_err();
                if send.send(piece).await.is_err() || broken {
                    break;
                }
            }
        });
        Self { pieces, current: Bytes::new(), digest: Sha256::new(), read: 0 }
    }

    /// Reads what a decoder left, and says what all of it was.
    pub fn finish(mut self) -> io::Result<(Sha256Hex, u64)> {
        while self.fill()? {
            self.current.clear();
        }
        Ok((Sha256Hex(self.digest.finalize().into()), self.read))
    }

    fn fill(&mut self) -> io::Result<bool> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(false),
                Some(Err(error)) => return Err(io::Error::other(error)),
                Some(Ok(piece)) => {
                    self.digest.update(&piece);
                    self.read += piece.len() as u64;
                    self.current = piece;
                }
            }
        }
        Ok(true)
    }
}

impl Read for BytesIn {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || !self.fill()? {
            return Ok(0);
        }
        let n = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}
