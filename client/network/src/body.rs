//! A body whose bytes are read from its source when the connection has room for them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use engine::ports::{BodySource, HttpError};
use http_body::{Body, Frame, SizeHint};

/// Why the source of a body failed; hyper only passes on that it did.
#[derive(Clone, Default)]
pub struct SourceFailure(Arc<Mutex<Option<io::Error>>>);

impl SourceFailure {
    pub fn take(&self) -> Option<HttpError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(HttpError::Source)
    }

    fn set(&self, error: io::Error) -> SourceFailed {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        SourceFailed
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the source of the body failed")]
pub struct SourceFailed;

pub struct SentBody {
    source: Box<dyn BodySource>,
    left: u64,
    failure: SourceFailure,
}

impl SentBody {
    pub fn new(source: Box<dyn BodySource>, length: u64, failure: SourceFailure) -> Self {
        Self { source, left: length, failure }
    }

    /// The next bytes. A source that gives another number of bytes than it announced is an error: the file changed, and
    /// the server would wait for the rest or take the end for the next request.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let changed = || io::Error::new(io::ErrorKind::UnexpectedEof, "its size changed while it was sent");
        let bytes = self.source.next()?.ok_or_else(changed)?;
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(changed)?;
        Ok(Some(bytes))
    }
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let next = self.next().map_err(|error| self.failure.set(error)).transpose();
        Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
