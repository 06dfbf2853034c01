//! A device and the whole backend live together for some days, by seed: the device engine against the routers of both
//! functions, with the real use cases and first pass over stores in memory. The network drops, delays, duplicates and cuts
//! requests and answers; either side is killed at any moment; time is virtual.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod admission;
mod answer;
mod clock;
mod deliveries;
mod functions;
mod instance;
mod listener;
mod queue;
mod sound;
mod world;

use std::time::Duration;

use simulator::{World, find_mistakes, live, number};

use functions::Functions;

fn world() -> World { World {
    backend: |random| Box::new(Functions::new(random)),
    sound: sound::SOUND,
    happenings: (6, 16),
    longest: 8,
    patience: Duration::from_secs(number("PATIENCE", 2 * 86_400)),
} }

/// `SEEDS` says how many seeds a run plays, from `SEED` on: `make simulate SEEDS=20000`.
#[test]
fn all_finalised_audio_is_in_transcripts_exactly_once() {
    let (from, seeds) = (number("SEED", 0), number("SEEDS", 40));
    let (mut kills, mut frames) = (0, 0);
    for seed in from..from + seeds {
        let lived = live(&world(), seed);
        kills += lived.kills;
        frames += lived.frames;
        assert!(
            lived.violations.is_empty(),
            "seed {seed}: {:#?}\nmake simulate SEED={seed} SEEDS=1 SIMULATION_LOG=1 repeats it",
            lived.violations
        );
    }
    println!("{seeds} seeds from {from}: {frames} frames, {kills} kills of the device");
}
