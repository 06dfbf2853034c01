//! One stream of events: what is to be told first, then every change, and signs of life in between.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use domain::{Job, Timestamp};
use flow::World;
use flow::follow::Follower;
use futures_util::future::BoxFuture;
use futures_util::{Stream, stream};
use tokio_util::sync::CancellationToken;

use super::places::{Place, Places};
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
    world: &World,
    places: &Places,
    place: Option<Place>,
    follower: Follower,
    first: VecDeque<Job>,
) -> impl Stream<Item = flow::Result<Bytes>> + Send + use<> {
    let (clock, lasts) = (world.clock.clone(), places.stream_lasts());
    let ends = End {
        deadline: Box::pin(async move { clock.sleep(lasts).await }),
        token: place.as_ref().map_or_else(|| places.shutdown(), |place| place.ends.clone()),
    };
    let stays = place.is_some();
    let talk = Talk {
        world: world.clone(),
        follower,
        told: first,
        greeted: false,
        behind: true,
        looked: false,
        stays,
        spoke_at: world.now(),
    };
    stream::unfold((ends, talk, place), |(mut ends, mut talk, place)| async move {
        let frame = tokio::select! {
            biased;
            () = ends.reached() => return None,
            frame = talk.next() => frame?,
        };
        Some((Ok(frame), (ends, talk, place)))
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
    world: World,
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
                let frame = frame(&self.world, &job).await?;
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
            self.world.clock.sleep(PACE).await;
        }
        (self.told, self.behind) = self.follower.look().await?;
        Ok(())
    }

    /// False when it is time for a sign of life.
    async fn woken_in_time(&mut self) -> bool {
        let silence = self.spoke_at.until(self.world.now());
        tokio::select! {
            () = self.follower.woken() => {
                self.behind = true;
                true
            }
            () = self.world.clock.sleep(HEARTBEAT.saturating_sub(silence)) => false,
        }
    }

    fn say(&mut self, text: impl Into<Bytes>) -> Bytes {
        self.spoke_at = self.world.now();
        text.into()
    }
}

/// The job as its own route shows it, under the moment of its last change.
async fn frame(world: &World, job: &Job) -> flow::Result<String> {
    let view = jobs::view(world, job).await?;
    let invalid = |why| flow::Error::new(flow::Kind::Invalid, "events.frame", job.id).because(why);
    // JSON in one line: a line end within a text is escaped.
    let data = serde_json::to_string(&view).map_err(invalid)?;
    Ok(format!("event: job\nid: {}\ndata: {data}\n\n", job.updated_at))
}
