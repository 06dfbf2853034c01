//! Wakes who watches a user's jobs: after this process's own commits, and now and then for those of others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Job, Line, Recording, Uid};
use flow::ports::feed::Watchers;
use flow::ports::{Created, Feed, Opened, SessionCompleted, Stepped, Watch, Written};

#[derive(Default)]
pub struct News {
    watchers: Watchers,
    /// Whether somebody looks at the clock: only while somebody watches.
    ticking: Arc<Mutex<bool>>,
}

impl News {
    /// To be called after the commit.
    pub fn of(&self, written: &impl OfUser) {
        written.uid().into_iter().for_each(|uid| self.watchers.wake(uid));
    }

    pub fn watch(&self, uid: &Uid, every: Duration) -> Watch {
        let mut ticking = self.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = self.watchers.watch(uid);
        if let (false, Ok(runtime)) = (*ticking, tokio::runtime::Handle::try_current()) {
            *ticking = true;
            runtime.spawn(tick(self.watchers.clone(), Arc::clone(&self.ticking), every));
        }
        watch
    }
}

/// Wakes everybody until nobody watches any more.
#[expect(clippy::disallowed_methods, reason = "other processes write in real time")]
async fn tick(watchers: Watchers, ticking: Arc<Mutex<bool>>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let mut ticking = ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.users() == 0 {
            *ticking = false;
            return;
        }
        watchers.wake_all();
    }
}

impl Feed for super::FirestoreStore {
    fn watch(&self, uid: &Uid) -> Watch {
        self.news.watch(uid, self.client.settings.look_again)
    }
}

/// The answer of an operation that writes jobs, of one user each.
pub trait OfUser {
    /// `None` when no job was written.
    fn uid(&self) -> Option<&Uid>;
}

impl OfUser for Created {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Created::New { job, .. } => Some(&job.uid),
            Created::Answered(_) => None,
        }
    }
}

impl OfUser for Opened {
    /// What is known may have been born with the answer.
    fn uid(&self) -> Option<&Uid> {
        match self {
            Opened::Session { job, .. } | Opened::Known(job) => Some(&job.uid),
        }
    }
}

impl OfUser for SessionCompleted {
    fn uid(&self) -> Option<&Uid> {
        match self {
            SessionCompleted::Job { job, .. } => Some(&job.uid),
            SessionCompleted::Answered { session, .. } => Some(&session.uid),
            SessionCompleted::Incomplete { .. } | SessionCompleted::Ended(_) | SessionCompleted::NoSuchJob => None,
        }
    }
}

impl OfUser for Stepped {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Stepped::Done { job, .. } => Some(&job.uid),
            Stepped::Refused { .. } | Stepped::NoSuchJob => None,
        }
    }
}

impl<T: OfUser> OfUser for Written<T> {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Written::Done(written) => written.uid(),
            Written::Fenced(_) => None,
        }
    }
}

impl OfUser for (Job, Recording) {
    fn uid(&self) -> Option<&Uid> {
        Some(&self.0.uid)
    }
}

impl OfUser for Vec<Line> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|line| &line.uid)
    }
}

impl OfUser for Vec<Job> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|job| &job.uid)
    }
}
