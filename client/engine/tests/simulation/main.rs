//! The device engine lives for some days against a model of the backend, by seed.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod server;

use std::time::Duration;

use engine::domain::{Codec, FrameFormat};
use engine::mistakes::Mistake;
use simulator::{Scene, Seeded, Sound, live, missed_mistakes, number};

use server::Server;

/// Frames of 120 ms; what is in them is nothing to the model.
fn payload(number: u64, owner: &str, random: &Seeded) -> Vec<u8> {
    [&number.to_le_bytes()[..], owner.as_bytes(), &vec![0xAB; random.below(40) as usize]].concat()
}

const SCENE: Scene = Scene {
    backend: |random| Box::new(Server::new(random)),
    sound: Sound {
        format: FrameFormat { codec: Codec::Opus, rate: 16_000, channels: 1, frame_samples: 1920 },
        frame: Duration::from_millis(120),
        payload,
    },
    happenings: (15, 40),
    longest: 40,
    patience: Duration::from_secs(3 * 86_400),
};

/// `SIMULATION_SEEDS` says how many seeds a run plays, from `SIMULATION_FROM` on.
#[test]
fn every_recording_is_accepted_exactly_once_and_kept_until_its_outcome() {
    let (from, seeds) = (number("SIMULATION_FROM", 0), number("SIMULATION_SEEDS", 200));
    let (mut kills, mut frames) = (0, 0);
    for seed in from..from + seeds {
        let lived = live(&SCENE, seed);
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
    assert_eq!(live(&SCENE, 3), live(&SCENE, 3));
}

#[test]
fn every_planted_mistake_is_found() {
    let seeds = number("SIMULATION_SEEDS", 2_000);
    let missed = missed_mistakes(&SCENE, &Mistake::ALL, seeds);
    assert!(missed.is_empty(), "not found within {seeds} seeds: {missed:?}");
}
