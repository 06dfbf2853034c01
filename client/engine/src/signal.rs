//! A signal that is given once, and waited for by one future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

#[derive(Default)]
pub struct Signal {
    is_given: AtomicBool,
    waker: AtomicWaker,
}

impl Signal {
    pub fn give(&self) {
        self.is_given.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Ready once the signal is given.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Given(pub(crate) Option<Arc<Signal>>);

impl Future for Given {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(signal) = &self.0 else { return Poll::Ready(()) };
        signal.waker.register(context.waker());
        if signal.is_given.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}
