//! One stream of events: what is to be told first, then every change, and signs of life in between.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use domain::{Job, Timestamp};
use flow::Services;
use flow::job_changes::Follower;
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tokio_util::sync::CancellationToken;

use super::stream_permits::{StreamPermit, StreamPermits};
use crate::jobs;

/// How soon a client comes back.
const RETRY: &str = "retry: 3000\n\n";
/// A comment: it only shows that the connection lives.
const ALIVE: &str = ": alive\n\n";
/// Proxies and phones cut what is silent for longer. A look comes with it: not every change wakes.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Between two looks at the store: what changes faster is told once.
const PACE: Duration = Duration::from_millis(100);

/// `first` is told before anything else. Without a place it ends as soon as everything up to now is told.
pub fn events(
    services: &Services,
    stream_permits: &StreamPermits,
    permit: Option<StreamPermit>,
    follower: Follower,
    first: VecDeque<Job>,
) -> impl Stream<Item = flow::Result<Bytes>> + Send + use<> {
    let (clock, lasts) = (services.clock.clone(), stream_permits.stream_lasts());
    let ends = End {
        deadline: Box::pin(async move { clock.sleep(lasts).await }),
        token: permit.as_ref().map_or_else(|| stream_permits.shutdown(), |permit| permit.ends.clone()),
    };
    let stays = permit.is_some();
    let talk = Talk {
        services: services.clone(),
        follower,
        told: first,
        greeted: false,
        behind: true,
        looked: false,
        stays,
        spoke_at: services.now(),
    };
    stream::unfold((ends, talk, permit), |(mut ends, mut talk, permit)| async move {
        let frame = tokio::select! {
            biased;
            () = ends.reached() => return None,
            frame = talk.next() => frame?,
        };
        Some((Ok(frame), (ends, talk, permit)))
    })
}

struct End {
    deadline: BoxFuture<'static, ()>,
    token: CancellationToken,
}

impl End {
    async fn reached(&mut self) {
        tokio::select! {
            () = self.token.cancelled() => {}
            () = &mut self.deadline => {}
        }
    }
}

struct Talk {
    services: Services,
    follower: Follower,
    /// To be told.
    told: VecDeque<Job>,
    greeted: bool,
    /// Something may have changed since the last look.
    behind: bool,
    looked: bool,
    stays: bool,
    spoke_at: Timestamp,
}

impl Talk {
    /// What is to be sent next; `None`: there is no more, or the store does not answer. The client comes back.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(self.say(RETRY));
        }
        match self.news().await {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(%error, "a stream of events ends early");
                None
            }
        }
    }

    async fn news(&mut self) -> flow::Result<Option<Bytes>> {
        loop {
            if let Some(job) = self.told.pop_front() {
                let frame = frame(&self.services, &job).await?;
                return Ok(Some(self.say(frame)));
            }
            if self.behind {
                self.look().await?;
            } else if !self.stays {
                return Ok(None);
            } else if !self.woken_in_time().await {
                self.behind = true;
                return Ok(Some(self.say(ALIVE)));
            }
        }
    }

    async fn look(&mut self) -> flow::Result<()> {
        if std::mem::replace(&mut self.looked, true) {
            self.services.clock.sleep(PACE).await;
        }
        (self.told, self.behind) = self.follower.look().await?;
        Ok(())
    }

    /// False when it is time for a sign of life.
    async fn woken_in_time(&mut self) -> bool {
        let silence = self.spoke_at.until(self.services.now());
        tokio::select! {
            () = self.follower.woken() => {
                self.behind = true;
                true
            }
            () = self.services.clock.sleep(HEARTBEAT.saturating_sub(silence)) => false,
        }
    }

    fn say(&mut self, text: impl Into<Bytes>) -> Bytes {
        self.spoke_at = self.services.now();
        text.into()
    }
}

/// The job as its own route shows it, under the moment of its last change.
async fn frame(services: &Services, job: &Job) -> flow::Result<String> {
    let view = jobs::view(services, job).await?;
    let invalid = |why| flow::Error::new(flow::Kind::Invalid, "events.frame", job.id).because(why);
    // JSON in one line: a line end within a text is escaped.
    let data = serde_json::to_string(&view).map_err(invalid)?;
    Ok(format!("event: job\nid: {}\ndata: {data}\n\n", job.updated_at))
}
