//! Simulates a device for some days: frames, kills, power failures, a network that fails, clocks that are set, a disk that
//! is full, and two accounts. Everything follows from the seed; time is virtual. The backend is given by the test.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod backend;
mod check;
mod clock;
mod disk;
mod life;
mod network;
mod plan;
mod random;

pub use backend::{Answered, Arrived, Backend, Found, Incoming};
pub use check::frames_of;
pub use clock::{BEGIN_MS, Virtual};
pub use disk::SimDisk;
pub use life::Sound;
pub use network::{ORIGIN, fault};
pub use plan::{Lived, World, live};
pub use random::Seeded;

/// A number of the environment, for tests whose seeds a person chooses.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Plants each of these mistakes in turn, and returns the first seed at which the simulation noticed it.
pub fn find_mistakes(
    world: &World,
    mistakes: &[engine::mistakes::Mistake],
    seeds: u64,
) -> Vec<(engine::mistakes::Mistake, Option<u64>)> {
    let find = |mistake| {
        engine::mistakes::plant(Some(mistake));
        // A mistake may also make the engine panic, or the world stand still.
        let is_noticed = |seed: &u64| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live(world, *seed)))
                .map_or(true, |lived| !lived.violations.is_empty())
        };
        let found = (0..seeds).find(is_noticed);
        engine::mistakes::plant(None);
        (mistake, found)
    };
    mistakes.iter().copied().map(find).collect()
}
