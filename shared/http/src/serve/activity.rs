//! Whether a connection has anything to do: it is idle while no request is in flight.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// Counts the requests in flight on one connection.
#[derive(Clone)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(super) fn begin(&self) -> InFlight {
        self.0.send_modify(|count| *count += 1);
        InFlight(self.clone())
    }

    /// Returns once there was no request for `idle`, or for `hurried` after others began to wait for a place.
    pub(super) async fn quiet(&self, idle: Duration, hurried: Duration, mut crowded: watch::Receiver<bool>) {
        let mut count = self.0.subscribe();
        loop {
            // The sender lives in `self`: it cannot be gone.
            let _ = count.wait_for(|count| *count == 0).await;
            // `changed` also sees a request that came and went between two looks, which `wait_for` would miss.
            let patience = async {
                let _ = timeout(idle.saturating_sub(hurried), crowded.wait_for(|crowded| *crowded)).await;
                sleep_until(Instant::now() + hurried).await;
            };
            tokio::select! {
                _ = count.changed() => {}
                () = patience => return,
            }
        }
    }
}

/// A request between its head and the last byte of its answer.
pub(super) struct InFlight(Activity);

impl InFlight {
    /// The request counts as long as its answer is being sent.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(Sending { body, _in_flight: self })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

struct Sending {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_request_in_flight_is_never_idle_and_the_last_one_starts_the_clock() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let first = activity.begin();
        let second = activity.begin();
        let quiet = activity.quiet(SHORT, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        drop(first);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        drop(second);
        timeout(LONG, quiet).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_came_and_went_between_two_looks_starts_the_clock_again() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let quiet = activity.quiet(10 * SHORT, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(5 * SHORT, quiet.as_mut()).await.is_err());
        drop(activity.begin());
        let last = Instant::now();
        quiet.await;
        assert!(last.elapsed() >= 10 * SHORT, "{:?}", last.elapsed());
    }

    #[tokio::test]
    async fn an_idle_connection_leaves_early_when_others_wait() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let quiet = activity.quiet(LONG, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        crowded.send_replace(true);
        timeout(LONG / 2, quiet).await.unwrap();
    }
}
