//! Those who want to be told: an observer is a handle, and dropping it ends the telling (R25).

use std::sync::{Arc, Mutex, Weak};

use crate::chunk::ChunkId;
use crate::lock::lock;
use crate::rules::cooldown::Cooldown;

type CooldownFn = dyn Fn(Option<Cooldown>) + Send + Sync;
type ProgressFn = dyn Fn(ChunkId, u64, u64) + Send + Sync;
type ChangeFn = dyn Fn() + Send + Sync;

/// Keeps an observation alive. Dropping it ends the observation.
#[must_use = "dropping the observer ends the observation"]
pub struct Observer {
    _keeps: Keeps,
}

#[expect(dead_code, reason = "the values are only kept")]
enum Keeps {
    Cooldown(Arc<CooldownFn>),
    Progress(Arc<ProgressFn>),
    Change(Arc<ChangeFn>),
}

#[derive(Default)]
pub struct Observers {
    cooldown: List<CooldownFn>,
    progress: List<ProgressFn>,
    change: List<ChangeFn>,
}

struct List<F: ?Sized>(Mutex<Vec<Weak<F>>>);

impl<F: ?Sized> Default for List<F> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<F: ?Sized> List<F> {
    fn add(&self, observer: &Arc<F>) {
        let mut list = lock(&self.0);
        list.retain(|one| one.strong_count() > 0);
        list.push(Arc::downgrade(observer));
    }

    /// The observers that are alive. They are called without the lock, because they may observe something themselves.
    fn alive(&self) -> Vec<Arc<F>> {
        lock(&self.0).iter().filter_map(Weak::upgrade).collect()
    }
}

impl Observers {
    pub fn cooldown(&self, tell: impl Fn(Option<Cooldown>) + Send + Sync + 'static) -> Observer {
        let tell: Arc<CooldownFn> = Arc::new(tell);
        self.cooldown.add(&tell);
        Observer { _keeps: Keeps::Cooldown(tell) }
    }

    pub fn progress(&self, tell: impl Fn(ChunkId, u64, u64) + Send + Sync + 'static) -> Observer {
        let tell: Arc<ProgressFn> = Arc::new(tell);
        self.progress.add(&tell);
        Observer { _keeps: Keeps::Progress(tell) }
    }

    pub fn change(&self, tell: impl Fn() + Send + Sync + 'static) -> Observer {
        let tell: Arc<ChangeFn> = Arc::new(tell);
        self.change.add(&tell);
        Observer { _keeps: Keeps::Change(tell) }
    }

    pub fn tell_cooldown(&self, cooldown: Option<Cooldown>) {
        self.cooldown.alive().iter().for_each(|tell| tell(cooldown));
    }

    pub fn tell_progress(&self, id: ChunkId, sent: u64, all: u64) {
        self.progress.alive().iter().for_each(|tell| tell(id, sent, all));
    }

    pub fn tell_change(&self) {
        self.change.alive().iter().for_each(|tell| tell());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn r25_dropping_an_observer_unsubscribes() {
        let observers = Observers::default();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let observer = observers.cooldown(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        observers.tell_cooldown(None);
        drop(observer);
        observers.tell_cooldown(None);
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }
}
