//! Simulates a device for some days: frames, kills, power failures, a network that fails, clocks that are set, a disk that
//! is full, and two accounts. Everything follows from the seed; time is virtual. The backend is given by the test.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::mistakes::{Mistake, plant};

mod backend;
mod check;
mod clock;
mod disk;
mod life;
mod network;
mod plan;
mod random;
mod scene;

pub use backend::{Answered, Arrived, Backend, Found, Incoming};
pub use check::frames_of;
pub use clock::{BEGIN_MS, Virtual};
pub use disk::SimDisk;
pub use network::{ORIGIN, fault};
pub use plan::{Lived, live};
pub use random::Seeded;
pub use scene::{Scene, Sound};

/// A number of the environment, for tests whose seeds a person chooses.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Plants a mistake on this thread, and returns the first of the seeds at which the simulation notices it.
pub fn find(scene: &Scene, mistake: Mistake, seeds: u64) -> Option<u64> {
    plant(Some(mistake));
    // A mistake may also make the engine panic, or the world stand still.
    let is_noticed = |seed: &u64| {
        std::panic::catch_unwind(AssertUnwindSafe(|| live(scene, *seed)))
            .map_or(true, |lived| !lived.violations.is_empty())
    };
    let found = (0..seeds).find(is_noticed);
    plant(None);
    found
}

/// Those of the mistakes that the simulation does not notice within so many seeds. It tells of the others.
pub fn missed_mistakes(scene: &Scene, mistakes: &[Mistake], seeds: u64) -> Vec<Mistake> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let search = || {
        let mut missed = Vec::new();
        while let Some(mistake) = mistakes.get(next.fetch_add(1, Ordering::Relaxed)) {
            match find(scene, *mistake, seeds) {
                Some(seed) => eprintln!("{mistake:?}: found by seed {seed}"),
                None => missed.push(*mistake),
            }
        }
        missed
    };
    std::thread::scope(|scope| {
        let searches: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        searches.into_iter().flat_map(|search| search.join().unwrap()).collect()
    })
}
