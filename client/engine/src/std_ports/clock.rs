//! The clocks of the system. One thread wakes all who sleep.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use domain::Timestamp;
use domain::time::millis;
use futures_util::task::AtomicWaker;

use crate::lock::lock;
use crate::ports::Clock;

/// A sleep is never longer at a time, so that no sum of an instant and a duration overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The clocks of the system.
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The clocks, with the monotonic one at zero.
    #[expect(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self { started: instant() }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
fn instant() -> Instant {
    Instant::now()
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 was never set: it counts as 1970.
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(millis(since_1970))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        Sleep(Timers::get().add(instant() + duration.min(LONGEST))).await;
    }

    async fn breathe(&self) {
        Breath(false).await;
    }
}

/// Pending once, and woken at once: other tasks of the same thread run meanwhile.
struct Breath(bool);

impl Future for Breath {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Default)]
struct Sleeper {
    is_over: AtomicBool,
    waker: AtomicWaker,
}

struct Sleep(Arc<Sleeper>);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.waker.register(context.waker());
        if self.0.is_over.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Those who sleep.
#[derive(Default)]
struct Queue {
    /// When each of them is woken.
    times: BinaryHeap<Reverse<(Instant, u64)>>,
    sleepers: HashMap<u64, Weak<Sleeper>>,
    last: u64,
}

#[derive(Default)]
struct Timers {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Timers {
    fn get() -> &'static Timers {
        static TIMERS: OnceLock<&'static Timers> = OnceLock::new();
        TIMERS.get_or_init(|| {
            let timers: &'static Timers = Box::leak(Box::default());
            // Without its thread no timer ever ends; a process that cannot start a thread has no use for an engine.
            let started = thread::Builder::new().name("afterword-timers".to_owned()).spawn(|| timers.run());
            debug_assert!(started.is_ok());
            timers
        })
    }

    fn add(&self, at: Instant) -> Arc<Sleeper> {
        let sleeper = Arc::new(Sleeper::default());
        let mut queue = lock(&self.queue);
        queue.last += 1;
        let number = queue.last;
        queue.times.push(Reverse((at, number)));
        queue.sleepers.insert(number, Arc::downgrade(&sleeper));
        drop(queue);
        self.changed.notify_one();
        sleeper
    }

    fn run(&self) {
        let mut queue = lock(&self.queue);
        loop {
            let now = instant();
            while queue.times.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let number = queue.times.pop().map(|Reverse((_, number))| number);
                // One who was dropped meanwhile leaves nothing but this entry.
                let sleeper = number.and_then(|number| queue.sleepers.remove(&number)).and_then(|weak| weak.upgrade());
                if let Some(sleeper) = sleeper {
                    sleeper.is_over.store(true, Ordering::Release);
                    sleeper.waker.wake();
                }
            }
            let next = queue.times.peek().map_or(LONGEST, |Reverse((at, _))| at.saturating_duration_since(now));
            queue = self.changed.wait_timeout(queue, next).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
