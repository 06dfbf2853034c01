//! The order of segments, jobs, workers, retries and crashes makes no difference to what a reader finds and to what is
//! counted.
//!
//! A failure names its seed: `AFTERWORD_SEED=<seed> cargo test -p testkit --test order` plays it alone.

mod case;
mod driver;
mod incidents;
mod planted;
mod reader;
mod reference;

use std::ops::Range;

use testkit::{SeededRandom, memory};

use case::Case;
use incidents::Incidents;
use planted::Mistake;
use reference::{Outcome, expected, splits_narrowly};

const CASES: u64 = 10_000;

struct Played {
    outcome: Outcome,
    bridged: bool,
    incidents: Incidents,
}

/// Plays one case in two random orders; returns what was wrong, or whether conversations were bridged.
fn play_twice(seed: u64, make: &dyn Fn() -> memory::Store) -> Result<Played, String> {
    let random = SeededRandom::new(seed);
    let case = Case::random(&random);
    let expected = expected(&case);
    let (mut bridged, mut incidents) = (false, Incidents::default());
    for order in ["first", "second"] {
        let store = make();
        let (outcome, met) = driver::play(&case, &store, &random)?;
        if outcome != expected {
            return Err(format!("in the {order} order\n{outcome:#?}\ninstead of\n{expected:#?}\nof\n{case:#?}"));
        }
        bridged |= store.all_conversations(&case.uid).iter().any(|c| c.merged_into.is_some());
        incidents += met;
    }
    Ok(Played { outcome: expected, bridged, incidents })
}

/// The first seed whose case fails, and how it fails.
fn counterexample(seeds: Range<u64>, make: &dyn Fn() -> memory::Store) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| play_twice(seed, make).err().map(|wrong| (seed, wrong)))
}

fn seeds(all: Range<u64>) -> Range<u64> {
    let one = std::env::var("AFTERWORD_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or(all, |seed| seed..seed + 1)
}

fn any_order_ends_the_same(seeds: Range<u64>) {
    let (mut cases, mut bridged, mut split, mut incidents) = (0, 0, 0, Incidents::default());
    for seed in seeds {
        match play_twice(seed, &memory::Store::new) {
            Ok(played) => {
                cases += 1;
                bridged += u32::from(played.bridged);
                split += u32::from(splits_narrowly(&played.outcome));
                incidents += played.incidents;
            }
            Err(wrong) => panic!("seed {seed}: {wrong}"),
        }
    }
    println!("{cases} cases: {bridged} bridged, {split} split narrowly; {incidents:?}");
    if cases > 1 {
        assert!(bridged * 5 >= cases, "only {bridged} of {cases} cases bridge");
        assert!(split * 5 >= cases, "only {split} of {cases} cases split narrowly");
        assert!(incidents.least() * 20 >= cases, "too few incidents in {cases} cases: {incidents:?}");
    }
}

// There are two halves, so that two cores share the work.
#[test]
fn outcome_does_not_depend_on_order_in_the_first_half_of_cases() {
    any_order_ends_the_same(seeds(0..CASES / 2));
}

#[test]
fn outcome_does_not_depend_on_order_in_the_second_half_of_cases() {
    any_order_ends_the_same(seeds(CASES / 2..CASES));
}

fn planted(mistake: Mistake) -> Option<(u64, String)> {
    let place = move |job, recording, group: &_, around, ctx: domain::transition::Context<'_>| {
        planted::place(mistake, job, recording, group, around, ctx)
    };
    counterexample(0..500, &move || memory::Store::with_placement(place))
}

#[test]
fn reference_placement_without_mistake_passes() {
    assert_eq!(planted(Mistake::None), None);
}

#[test]
fn planted_join_at_two_minutes_is_found() {
    let (seed, _) = planted(Mistake::JoinsAtTheGap).expect("the mistake went unnoticed");
    println!("found at seed {seed}");
}

#[test]
fn planted_missing_join_is_found() {
    let (seed, _) = planted(Mistake::NotTransitive).expect("the mistake went unnoticed");
    println!("found at seed {seed}");
}

#[test]
fn usage_counted_per_call_is_detected() {
    let (seed, _) = planted(Mistake::CountsBlindly).expect("the mistake went unnoticed");
    println!("found at seed {seed}");
}
