//! Simulates a device for some days: frames, kills, power failures, a network that fails, a server that refuses, clocks that
//! are set, a disk that is full, and two accounts. Everything follows from the seed.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod check;
mod clock;
mod disk;
mod life;
mod network;
mod plan;
mod random;
mod server;

use engine::mistakes::{Mistake, plant};

use plan::live;

/// How many seeds a run plays: `SIMULATION_SEEDS`, from `SIMULATION_FROM` on.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_recording_is_accepted_exactly_once_and_kept_until_its_outcome() {
    let (from, seeds) = (number("SIMULATION_FROM", 0), number("SIMULATION_SEEDS", 200));
    let (mut kills, mut frames) = (0, 0);
    for seed in from..from + seeds {
        let lived = live(seed);
        kills += lived.kills;
        frames += lived.frames;
        assert!(
            lived.violations.is_empty(),
            "seed {seed}: {:#?}\nSIMULATION_FROM={seed} SIMULATION_SEEDS=1 SIMULATION_LOG=1 repeats it",
            lived.violations
        );
    }
    println!("{seeds} seeds from {from}: {frames} frames, {kills} kills");
    assert!(kills > seeds, "the simulation kills the process");
}

#[test]
fn same_seed_leads_to_the_same_life() {
    assert_eq!(live(3), live(3));
}

#[test]
fn every_planted_mistake_is_found() {
    let seeds = number("SIMULATION_SEEDS", 300);
    let mut missed = Vec::new();
    for mistake in Mistake::ALL {
        plant(Some(mistake));
        let found = (0..seeds).find(|seed| {
            // A mistake may also make the engine panic, or the world stand still.
            let lived = std::panic::catch_unwind(|| live(*seed));
            lived.map_or(true, |lived| !lived.violations.is_empty())
        });
        plant(None);
        match found {
            Some(seed) => println!("{mistake:?}: found by seed {seed}"),
            None => missed.push(mistake),
        }
    }
    assert!(missed.is_empty(), "not found within {seeds} seeds: {missed:?}");
}
