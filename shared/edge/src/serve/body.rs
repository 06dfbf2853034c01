//! Receives a request body: gives up when no bytes arrive for too long, and reads on for a while when a handler drops
//! the body early.
//!
//! In HTTP/1 an early drop ends the whole connection, and `socket` takes care that the answer arrives. In HTTP/2 only
//! the stream ends, and some clients lose the answer when a reset (even NO_ERROR: RFC 9113, 8.1) reaches them while
//! they send: so the rest of the body is read and thrown away, within bounds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::limits;

/// The state of a request body, read by the code that writes the answer.
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

    /// Whether so much of the body is still to come that the connection is not worth keeping.
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

pub(super) struct IncomingBody {
    body: Body,
    state: BodyState,
    /// Set when the body is dropped with bytes still to come.
    unread: Arc<AtomicBool>,
    silence: Duration,
    /// How long the rest of a dropped body is read and thrown away; `None` where the socket does that.
    linger: Option<Duration>,
    silence_timer: Option<Pin<Box<Sleep>>>,
}

impl IncomingBody {
    pub(super) fn new(body: Body, silence: Duration, linger: Option<Duration>, unread: Arc<AtomicBool>) -> Self {
        // A body without a declared length may have any size.
        let large = body.size_hint().upper().is_none_or(|bytes| bytes > limits::SMALL_BODY);
        let whole = AtomicBool::new(body.is_end_stream());
        let state = BodyState(Arc::new(State { whole, large, ..State::default() }));
        Self { body, state, unread, silence, linger, silence_timer: None }
    }

    pub(super) fn state(&self) -> BodyState {
        self.state.clone()
    }

    fn is_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let silence = self.silence;
        let silence_timer = self.silence_timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + silence)));
        silence_timer.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for IncomingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // The clock runs only while a handler waits for bytes: a slow handler is not the client's fault.
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            if !self.is_timed_out(cx) {
                return Poll::Pending;
            }
            self.state.0.stalled.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(Stalled(self.silence).into())));
        };
        self.silence_timer = None;
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

impl Drop for IncomingBody {
    fn drop(&mut self) {
        if self.state.is_whole() {
            return;
        }
        self.unread.store(true, Ordering::Relaxed);
        // Without a runtime the process is ending, and the connection ends with it.
        if let (Some(linger), Ok(runtime)) = (self.linger, Handle::try_current()) {
            let rest = discard(std::mem::take(&mut self.body));
            runtime.spawn(async move { timeout(linger, rest).await });
        }
    }
}

async fn discard(mut body: Body) {
    let mut left = limits::LINGER_BYTES;
    while let Ok(Some(Ok(frame))) = timeout(limits::LINGER_SILENCE, body.frame()).await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    const SILENCE: Duration = Duration::from_millis(20);

    fn endless(first: &'static str) -> Body {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(first.as_bytes()))]);
        Body::from_stream(first.chain(stream::pending()))
    }

    #[tokio::test]
    async fn silent_body_ends_and_is_marked_as_stalled() {
        let mut incoming = IncomingBody::new(endless("a"), SILENCE, None, Arc::default());
        let state = incoming.state();
        assert!(incoming.frame().await.unwrap().is_ok());
        assert!(!state.has_stalled());
        let error = incoming.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Stalled>() && state.has_stalled());
    }

    #[tokio::test]
    async fn body_read_to_its_end_leaves_nothing_to_drain() {
        let unread = Arc::new(AtomicBool::new(false));
        let mut incoming = IncomingBody::new(Body::from("abc"), limits::BODY_SILENCE, None, Arc::clone(&unread));
        assert!(!incoming.state().is_worth_closing(), "three bytes are no reason to close");
        while incoming.frame().await.is_some() {}
        drop(incoming);
        assert!(!unread.load(Ordering::Relaxed));
    }

    #[test]
    fn body_dropped_early_is_marked_as_unread() {
        let unread = Arc::new(AtomicBool::new(false));
        let incoming = IncomingBody::new(endless("a"), SILENCE, Some(SILENCE), Arc::clone(&unread));
        assert!(incoming.state().is_worth_closing(), "its length is unknown");
        drop(incoming);
        assert!(unread.load(Ordering::Relaxed));
    }
}
