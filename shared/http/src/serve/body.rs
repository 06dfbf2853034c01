//! A request body on its way in: given up when it falls silent, and known to be unread when it is dropped early.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::limits;

/// What became of a request body, for whoever writes the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    whole: AtomicBool,
    stalled: AtomicBool,
    large: bool,
}

impl BodyState {
    pub(crate) fn has_stalled(&self) -> bool {
        self.0.stalled.load(Ordering::Relaxed)
    }

    /// So much of the body is still to come that the connection is not worth keeping.
    pub(crate) fn is_worth_closing(&self) -> bool {
        self.has_stalled() || (self.0.large && !self.is_whole())
    }

    fn is_whole(&self) -> bool {
        self.0.whole.load(Ordering::Relaxed)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no byte of the body arrived for {0:?}")]
pub(crate) struct Stalled(Duration);

pub(super) struct Arriving<B> {
    body: B,
    state: BodyState,
    /// Set when the body is dropped with bytes still to come: closing then takes care of the answer.
    unread: Arc<AtomicBool>,
    silence: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B: Body> Arriving<B> {
    pub(super) fn new(body: B, silence: Duration, unread: Arc<AtomicBool>) -> Self {
        // Without a length it may be anything.
        let large = body.size_hint().upper().is_none_or(|bytes| bytes > limits::SMALL_BODY);
        let whole = AtomicBool::new(body.is_end_stream());
        let state = BodyState(Arc::new(State { whole, large, ..State::default() }));
        Self { body, state, unread, silence, waiting: None }
    }

    pub(super) fn state(&self) -> BodyState {
        self.state.clone()
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let silence = self.silence;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + silence)));
        waiting.as_mut().poll(cx).is_ready()
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // The clock runs only while a handler waits: one that is slow itself is not the client's fault.
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            if !self.is_over(cx) {
                return Poll::Pending;
            }
            self.state.0.stalled.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Stalled(self.silence).into())));
        };
        self.waiting = None;
        if frame.is_none() || self.body.is_end_stream() {
            self.state.0.whole.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        if !self.state.is_whole() {
            self.unread.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::*;

    type Chunk = Result<Frame<Bytes>, BoxError>;

    fn chunk(text: &'static str) -> Chunk {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn silence_ends_a_body_and_is_remembered() {
        let frames = stream::unfold(0, |sent| async move {
            if sent > 0 { std::future::pending().await } else { Some((chunk("a"), 1)) }
        });
        let body = StreamBody::new(Box::pin(frames));
        let mut arriving = Arriving::new(body, Duration::from_millis(20), Arc::default());
        let state = arriving.state();
        assert!(arriving.frame().await.unwrap().is_ok());
        assert!(!state.has_stalled());
        let error = arriving.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Stalled>() && state.has_stalled());
    }

    #[tokio::test]
    async fn a_body_read_to_its_end_leaves_nothing_to_drain() {
        let unread = Arc::new(AtomicBool::new(false));
        let mut arriving =
            Arriving::new(Full::new(Bytes::from_static(b"abc")), limits::BODY_SILENCE, Arc::clone(&unread));
        assert!(!arriving.state().is_worth_closing(), "three bytes are no reason to close");
        while arriving.frame().await.is_some() {}
        drop(arriving);
        assert!(!unread.load(Ordering::Relaxed));
    }

    #[test]
    fn a_body_dropped_early_is_known_to_be_unread() {
        let unread = Arc::new(AtomicBool::new(false));
        let body = StreamBody::new(stream::iter([chunk("a")]));
        let arriving = Arriving::new(body, limits::BODY_SILENCE, Arc::clone(&unread));
        assert!(arriving.state().is_worth_closing(), "its length is unknown");
        drop(arriving);
        assert!(unread.load(Ordering::Relaxed));
    }
}
