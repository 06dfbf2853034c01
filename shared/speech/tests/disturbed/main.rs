//! Tests that disturbances do not hide speech: real speech at many levels, next to and over other sounds, in channels that
//! are intact, dead, inverted or late, goes through the whole chain up to the words of the built-in engine.
//!
//! Each seed makes a scene. The tests count the recognised words of all scenes, compared with those that the same clips give
//! without disturbances. `DISTURBED_SEEDS` sets the number of seeds, and `DISTURBED_FROM` the first one.

#![allow(clippy::unwrap_used)]

mod chain;
mod scene;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chain::Chain;
use scene::{Clip, Scene};
use testkit::wer::words;

/// The percentage of the words of undisturbed speech that must be recognised.
const MIN_PERCENT: usize = 85;
const SEEDS: u64 = 44;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// The number of words that both lists have in the same order (the longest common subsequence).
fn in_common(expected: &[String], actual: &[String]) -> usize {
    let mut row = vec![0; actual.len() + 1];
    for word in expected {
        let mut diagonal = 0;
        for (at, other) in actual.iter().enumerate() {
            let before = row[at + 1];
            row[at + 1] = if word == other { diagonal + 1 } else { row[at + 1].max(row[at]) };
            diagonal = before;
        }
    }
    row[actual.len()]
}

/// The words that each clip gives without disturbances, by clip and level.
type Alone = Mutex<HashMap<(Clip, i32), Vec<String>>>;

fn alone(chain: &Chain, known: &Alone, clip: Clip, db: i32) -> Vec<String> {
    if let Some(words) = known.lock().unwrap().get(&(clip, db)) {
        return words.clone();
    }
    let words = words(&chain.text(&[clip.at(db)]));
    known.lock().unwrap().insert((clip, db), words.clone());
    words
}

/// The number of expected words in a scene, and how many of them were recognised.
fn recognised(chain: &Chain, known: &Alone, seed: u64) -> (usize, usize) {
    let scene = Scene::of(seed);
    let expected: Vec<String> = scene.clips.iter().flat_map(|(clip, db)| alone(chain, known, *clip, *db)).collect();
    let recognised = words(&chain.text(&scene.channels));
    let found = in_common(&expected, &recognised);
    let percent = found * 100 / expected.len().max(1);
    println!("seed {seed}: {found} of {} words ({percent} %): {}", expected.len(), scene.description);
    if percent < MIN_PERCENT {
        println!("  expected: {}\n  actual:   {}", expected.join(" "), recognised.join(" "));
    }
    (expected.len(), found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_is_understood_whatever_disturbs_it() {
    let (chain, known) = (Arc::new(Chain::new()), Arc::new(Alone::default()));
    let (from, count) = (number("DISTURBED_FROM", 0), number("DISTURBED_SEEDS", SEEDS));
    let work = |lane: u64| {
        let (chain, known) = (Arc::clone(&chain), Arc::clone(&known));
        let seeds = (from..from + count).filter(move |seed| seed % 2 == lane);
        tokio::task::spawn_blocking(move || {
            let found = seeds.map(|seed| recognised(&chain, &known, seed));
            found.fold((0, 0), |(all, found), (more, also)| (all + more, found + also))
        })
    };
    let (one, other) = (work(0), work(1));
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let (all, found) = (one.0 + other.0, one.1 + other.1);
    println!("{found} of {all} words over {count} seeds from {from} on: {:.1} %", found as f64 * 100.0 / all as f64);
    assert!(all > 0 && found * 100 >= all * MIN_PERCENT, "{found} of {all} words, seeds from {from} on");
}

/// A single burst of noise in 83 s of quiet speech must not keep the rest from being raised to an audible level.
#[tokio::test(flavor = "multi_thread")]
async fn burst_of_noise_hides_nothing_of_a_quiet_recording() {
    let chain = Chain::new();
    for (db, seconds) in [(-48, 0.6), (-42, 0.6), (-36, 1.0)] {
        let speech = scene::minute_of_speech(db);
        let (undisturbed, disturbed) = tokio::task::block_in_place(|| {
            let mut disturbed = speech.clone();
            scene::add_burst(&mut disturbed, 30.0, seconds, 0.25);
            (words(&chain.text(&[speech])), words(&chain.text(&[disturbed])))
        });
        let found = in_common(&undisturbed, &disturbed);
        println!("{db} dB, a burst of {seconds} s: {found} of {} words", undisturbed.len());
        assert!(undisturbed.len() > 100 && found * 100 >= undisturbed.len() * 95, "{found} of {}", undisturbed.len());
    }
}

/// The voice is intelligible in at least one of the channels, their sum or their difference.
#[tokio::test(flavor = "multi_thread")]
async fn voice_is_recognised_if_one_channel_or_sum_or_difference_is_clear() {
    let chain = Chain::new();
    for (kind, channels) in scene::covered_voice(&Clip::Ss0890.at(-30)) {
        let (alone, recognised) = tokio::task::block_in_place(|| {
            (words(&chain.text(&[Clip::Ss0890.at(-30)])), words(&chain.text(&channels)))
        });
        let found = in_common(&alone, &recognised);
        println!("{kind}: {found} of {} words", alone.len());
        assert!(alone.len() > 10 && found * 100 >= alone.len() * MIN_PERCENT, "{kind}: {}", recognised.join(" "));
    }
}

/// After loud noise, the state of a detector is degraded, and it can miss the first seconds of the speech that follows.
#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_noise_do_not_hide_the_speech_after_them() {
    let chain = Chain::new();
    let (mut all, mut found) = (0, 0);
    for (kind, seconds, peak) in [("white", 100.0, 0.9), ("pink", 40.0, 0.9), ("music", 150.0, 0.25)] {
        let noise = scene::long_noise(kind, seconds, peak);
        for (clip, db) in [(Clip::Ss0870, -36), (Clip::Ss0880, -10), (Clip::Ss0890, -24)] {
            let speech = [vec![0.0; 4_800], clip.at(db), vec![0.0; 4_800]].concat();
            let (alone, behind) = tokio::task::block_in_place(|| {
                let behind = [&noise[..], &speech].concat();
                (words(&chain.text(&[speech])), words(&chain.text(&[behind])))
            });
            let recognised = in_common(&alone, &behind);
            println!("{clip:?} at {db} dB behind {kind} noise of {seconds} s: {recognised} of {} words", alone.len());
            (all, found) = (all + alone.len(), found + recognised);
        }
    }
    assert!(all > 100 && found * 100 >= all * 97, "{found} of {all} words");
}

#[test]
fn common_words_are_counted_in_order() {
    let count = |expected, actual| in_common(&words(expected), &words(actual));
    assert_eq!([count("a b c", "a b c"), count("a b c", "x a c"), count("a b", "b a"), count("a", "")], [3, 2, 1, 0]);
}
