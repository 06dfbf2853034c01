//! The socket as hyper sees it: a peer that stops reading is cut off, and closing first reads what is still under way.
//!
//! Closing a socket whose receive buffer holds unread bytes sends a reset, and a reset may destroy the answer on its
//! way (RFC 9112, 9.6). So after an early answer the write half is closed first; then incoming bytes are read and
//! thrown away, within bounds of time and number; only then is the socket closed.
//!
//! Under TLS this socket lies below the encryption. Closing first sends the close_notify, which says that the answer is
//! complete; then the write half is closed, and incoming bytes are thrown away without being decrypted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits;

/// Bytes of the buffer, on the stack, into which unwanted bytes are read.
const SCRATCH: usize = 16 * 1024;

pub(super) struct Socket {
    stream: TcpStream,
    write_stall: Duration,
    linger: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Whether the last request has bytes still to come.
    unread: Arc<AtomicBool>,
    closing: Option<Closing>,
}

struct Closing {
    end: Instant,
    silence: Pin<Box<Sleep>>,
    left: u64,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, write_stall: Duration, linger: Duration, unread: Arc<AtomicBool>) -> Self {
        Self { stream, write_stall, linger, stalled: None, unread, closing: None }
    }

    /// Turns a write that makes no progress for too long into an error.
    fn guard<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes")))
    }

    /// Reads and throws away what the peer still sends, until it closes too or the bounds are reached.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(closing) = &mut self.closing else { return Poll::Ready(()) };
        let mut scratch = [0; SCRATCH];
        while closing.left > 0 && Instant::now() < closing.end {
            let mut buffer = ReadBuf::new(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) else {
                return closing.silence.as_mut().poll(cx);
            };
            let bytes = buffer.filled().len() as u64;
            if read.is_err() || bytes == 0 {
                break;
            }
            closing.left = closing.left.saturating_sub(bytes);
            closing.silence.as_mut().reset(closing.end.min(Instant::now() + limits::LINGER_SILENCE));
        }
        Poll::Ready(())
    }
}

impl Closing {
    fn begin(linger: Duration, unread: bool) -> Self {
        // When everything has been read, only what is already in the receive buffer is taken out, without waiting.
        let (linger, silence) = if unread { (linger, limits::LINGER_SILENCE) } else { (linger, Duration::ZERO) };
        let end = Instant::now() + linger;
        let silence = Box::pin(sleep_until(end.min(Instant::now() + silence)));
        Self { end, silence, left: limits::LINGER_BYTES }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.guard(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.guard(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closing = Some(Closing::begin(self.linger, self.unread.load(Ordering::Relaxed)));
        }
        self.drain(cx).map(Ok)
    }
}
