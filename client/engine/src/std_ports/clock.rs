//! The clocks of the system. One thread wakes all who sleep.
//!
//! The monotonic clock goes on while the device sleeps. The one of the standard library stands still then on Linux, Android and
//! Apple's systems, so that the time slept would look like a clock that was set.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::Timestamp;
use domain::time::millis;
use futures_util::task::AtomicWaker;

use crate::lock::lock;
use crate::ports::Clock;

/// A sleep is never longer, so that no sum overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// The thread that waits is not told that the device slept: it looks at the clock this often while somebody waits.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The clocks of the system.
pub struct SystemClock {
    started: Duration,
}

impl SystemClock {
    /// The clocks, with the monotonic one at zero.
    #[expect(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self { started: since_boot() }
    }
}

/// The time since the device was started, with the time for which it slept.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(not(target_vendor = "apple"))]
    const CLOCK: ClockId = ClockId::Boottime;
    // Apple's `CLOCK_MONOTONIC` goes on during sleep; the standard library reads `CLOCK_UPTIME_RAW`, which does not.
    #[cfg(target_vendor = "apple")]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// The time since the first call. The clock of Windows goes on during sleep.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
fn since_boot() -> Duration {
    static FIRST: OnceLock<std::time::Instant> = OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
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
        since_boot().saturating_sub(self.started)
    }

    async fn sleep(&self, duration: Duration) {
        Sleep(Timers::get().add(since_boot() + duration.min(LONGEST))).await;
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
    times: BinaryHeap<Reverse<(Duration, u64)>>,
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

    fn add(&self, at: Duration) -> Arc<Sleeper> {
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
            let now = since_boot();
            while queue.times.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let number = queue.times.pop().map(|Reverse((_, number))| number);
                // One who was dropped meanwhile leaves nothing but this entry.
                let sleeper = number.and_then(|number| queue.sleepers.remove(&number)).and_then(|weak| weak.upgrade());
                if let Some(sleeper) = sleeper {
                    sleeper.is_over.store(true, Ordering::Release);
                    sleeper.waker.wake();
                }
            }
            let next = queue.times.peek().map_or(LONGEST, |Reverse((at, _))| at.saturating_sub(now).min(LOOK_EVERY));
            queue = self.changed.wait_timeout(queue, next).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/proc/uptime` counts the time slept as well. On a device that never slept, the clock that stands still agrees too.
    #[cfg(target_os = "linux")]
    #[test]
    fn monotonic_clock_is_the_one_that_goes_on_while_the_device_sleeps() {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
        let difference = (since_boot().as_secs_f64() - uptime).abs();
        assert!(difference < 2.0, "{difference}");
    }
}
