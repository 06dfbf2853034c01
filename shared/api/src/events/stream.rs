//! One stream of events: the initial jobs, then every change, and heartbeats in between.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Job, Timestamp};
use flow::job_changes::Follower;
use flow::ports::{Clock, JobStore};
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tokio_util::sync::CancellationToken;

use super::stream_permits::{StreamPermit, StreamPermits};
use crate::jobs;

/// Tells the client to reconnect after three seconds.
const RETRY: &str = "retry: 3000\n\n";
/// An SSE comment, sent as a heartbeat.
const ALIVE: &str = ": alive\n\n";
/// The interval of heartbeats: proxies and phones cut connections that are silent for longer. The store is read with
/// each, because not every change wakes the stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The pause between two reads of the store. Changes that follow each other faster are sent as one.
const PACE: Duration = Duration::from_millis(100);

/// Makes the stream. The jobs in `first` are sent before anything else. Without a permit the stream ends as soon as all
/// changes up to now are sent.
pub fn events(
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    stream_permits: &StreamPermits,
    permit: Option<StreamPermit>,
    follower: Follower,
    first: VecDeque<Job>,
) -> impl Stream<Item = flow::Result<Bytes>> + Send + use<> {
    let (until_deadline, lasts) = (Arc::clone(&clock), stream_permits.stream_lasts());
    let ends = StreamEnd {
        deadline: Box::pin(async move { until_deadline.sleep(lasts).await }),
        token: permit.as_ref().map_or_else(|| stream_permits.shutdown(), |permit| permit.ends.clone()),
    };
    let stays_open = permit.is_some();
    let events = EventStream {
        last_sent_at: clock.now(),
        store,
        clock,
        follower,
        pending: first,
        retry_sent: false,
        behind: true,
        has_read: false,
        stays_open,
    };
    stream::unfold((ends, events, permit), |(mut ends, mut events, permit)| async move {
        let frame = tokio::select! {
            biased;
            () = ends.reached() => return None,
            frame = events.next() => frame?,
        };
        Some((Ok(frame), (ends, events, permit)))
    })
}

struct StreamEnd {
    deadline: BoxFuture<'static, ()>,
    token: CancellationToken,
}

impl StreamEnd {
    async fn reached(&mut self) {
        tokio::select! {
            () = self.token.cancelled() => {}
            () = &mut self.deadline => {}
        }
    }
}

struct EventStream {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    follower: Follower,
    /// Jobs that are still to be sent.
    pending: VecDeque<Job>,
    retry_sent: bool,
    /// Whether something may have changed since the last read.
    behind: bool,
    has_read: bool,
    stays_open: bool,
    last_sent_at: Timestamp,
}

impl EventStream {
    /// The next bytes to send. `None` ends the stream: there is no more, or the store does not answer, and the client
    /// reconnects.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.retry_sent, true) {
            return Some(self.send(RETRY));
        }
        match self.next_event().await {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a stream of events ends early");
                None
            }
        }
    }

    async fn next_event(&mut self) -> flow::Result<Option<Bytes>> {
        loop {
            if let Some(job) = self.pending.pop_front() {
                let frame = frame(&*self.store, &job).await?;
                return Ok(Some(self.send(frame)));
            }
            if self.behind {
                self.read_changes().await?;
            } else if !self.stays_open {
                return Ok(None);
            } else if !self.changed_before_heartbeat().await {
                self.behind = true;
                return Ok(Some(self.send(ALIVE)));
            }
        }
    }

    async fn read_changes(&mut self) -> flow::Result<()> {
        if std::mem::replace(&mut self.has_read, true) {
            self.clock.sleep(PACE).await;
        }
        (self.pending, self.behind) = self.follower.next_page().await?;
        Ok(())
    }

    /// Waits for a change; false when a heartbeat is due first.
    async fn changed_before_heartbeat(&mut self) -> bool {
        let silence = self.last_sent_at.until(self.clock.now());
        tokio::select! {
            () = self.follower.woken() => {
                self.behind = true;
                true
            }
            () = self.clock.sleep(HEARTBEAT.saturating_sub(silence)) => false,
        }
    }

    fn send(&mut self, text: impl Into<Bytes>) -> Bytes {
        self.last_sent_at = self.clock.now();
        text.into()
    }
}

/// The event of a job: its data is what the job's own route shows, its id the time of the last change.
async fn frame(store: &dyn JobStore, job: &Job) -> flow::Result<String> {
    let view = jobs::view(store, job).await?;
    let invalid = |why| flow::Error::new(flow::Kind::Invalid, "events.frame", job.id).because(why);
    // The JSON is one line: line ends within texts are escaped.
    let data = serde_json::to_string(&view).map_err(invalid)?;
    Ok(format!("event: job\nid: {}\ndata: {data}\n\n", job.updated_at))
}
