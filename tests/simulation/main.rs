//! A device and the whole backend live together for some days, by seed: the device engine against the routers of both
//! functions, with the real use cases and first pass over stores in memory. The network drops, delays, duplicates and cuts
//! requests and answers; either side is killed at any moment; time is virtual.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]
#![allow(clippy::disallowed_methods, reason = "the runtime's time is the virtual one")]

mod admission;
mod answer;
mod clock;
mod deliveries;
mod functions;
mod instance;
mod kept;
mod listener;
mod queue;
mod sound;

use std::time::Duration;

use engine::mistakes::Mistake;
use simulator::{Scene, live, missed_mistakes, number};

use functions::Functions;

const SCENE: Scene = Scene {
    backend: |random| Box::new(Functions::new(random)),
    sound: sound::SOUND,
    happenings: (4, 11),
    longest: 8,
    // Longer than a device waits after the service failed three times.
    patience: Duration::from_secs(26 * 3_600),
};

/// The mistakes that harm what the backend has in the end, or that it sees. The others show themselves on the device alone,
/// and are found against a model of the backend (`client/engine/tests/simulation`).
const NOTICED: [Mistake; 10] = [
    Mistake::StampedAgain,
    Mistake::AcceptedIsConfirmed,
    Mistake::NoFsyncBeforePending,
    Mistake::RateLimitCounted,
    Mistake::CooldownForgottenAtRestart,
    Mistake::OfflineCounted,
    Mistake::DeletedBeforeSynced,
    Mistake::MissingAfterOnePass,
    Mistake::SignOutNotFenced,
    Mistake::TornTailKept,
];

/// What came of the lives of a thread.
#[derive(Default)]
struct Lives {
    frames: u64,
    found: u64,
    kills: u64,
    failed: Option<(u64, Vec<String>)>,
}

/// Lives every second, third … seed, beside other threads.
fn live_each(seeds: impl Iterator<Item = u64>) -> Lives {
    let mut lives = Lives::default();
    for seed in seeds {
        let lived = live(&SCENE, seed);
        lives.kills += lived.kills;
        lives.frames += lived.frames;
        lives.found += lived.found;
        if !lived.violations.is_empty() {
            lives.failed = Some((seed, lived.violations));
            break;
        }
    }
    lives
}

/// `SEEDS` says how many seeds a run plays, from `SEED` on: `make simulate SEEDS=20000`.
#[test]
fn all_finalised_audio_is_in_transcripts_exactly_once() {
    let (from, seeds) = (number("SEED", 0), number("SEEDS", 2_000));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64).min(seeds);
    let all: Vec<_> = std::thread::scope(|scope| {
        let begun = (0..threads)
            .map(|first| scope.spawn(move || live_each((from + first..from + seeds).step_by(threads as usize))));
        let begun: Vec<_> = begun.collect();
        begun.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    if let Some((seed, violations)) = all.iter().find_map(|lives| lives.failed.as_ref()) {
        panic!("seed {seed}: {violations:#?}\nmake simulate SEED={seed} SEEDS=1 SIMULATION_LOG=1 repeats it");
    }
    let sum = |of: fn(&Lives) -> u64| all.iter().map(of).sum::<u64>();
    let (frames, found, kills) = (sum(|l| l.frames), sum(|l| l.found), sum(|l| l.kills));
    println!("{seeds} seeds from {from}: {frames} frames, {found} in transcripts, {kills} kills of the device");
    // The rest was never finalised, or waits on the device for its user, because an engine refused it or it is damaged.
    assert!(found * 10 > frames * 7, "too little comes to words for this test to say anything");
}

#[test]
fn same_seed_leads_to_the_same_life() {
    for seed in [3, 17] {
        assert_eq!(live(&SCENE, seed), live(&SCENE, seed));
    }
}

#[test]
fn planted_mistakes_are_found() {
    let seeds = number("SEEDS", 2_000);
    let missed = missed_mistakes(&SCENE, &NOTICED, seeds);
    assert!(missed.is_empty(), "not found within {seeds} seeds: {missed:?}");
}
