//! Whatever disturbs it, what was said is heard: real speech, at many levels, beside and over sounds that are none of it, in
//! channels that are whole, dead, turned over or late, through the whole chain up to the words of the built-in engine.
//!
//! Each seed makes a scene; what is counted are the words of all of them together, against those that the same clips give
//! when nothing disturbs them. `DISTURBED_SEEDS` says how many, and `DISTURBED_FROM` from which on.

#![allow(clippy::unwrap_used)]

mod chain;
mod scene;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chain::Chain;
use scene::{Clip, Scene};
use testkit::wer::words;

/// Of a hundred words that the speech alone gives.
const LEAST_PERCENT: usize = 85;
const SEEDS: u64 = 44;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Words of the one that are in the other, in their order.
fn in_common(said: &[String], heard: &[String]) -> usize {
    let mut row = vec![0; heard.len() + 1];
    for word in said {
        let mut diagonal = 0;
        for (at, other) in heard.iter().enumerate() {
            let before = row[at + 1];
            row[at + 1] = if word == other { diagonal + 1 } else { row[at + 1].max(row[at]) };
            diagonal = before;
        }
    }
    row[heard.len()]
}

/// What clips give alone.
type Alone = Mutex<HashMap<(Clip, i32), Vec<String>>>;

fn alone(chain: &Chain, known: &Alone, clip: Clip, db: i32) -> Vec<String> {
    if let Some(words) = known.lock().unwrap().get(&(clip, db)) {
        return words.clone();
    }
    let words = words(&chain.text(&[clip.at(db)]));
    known.lock().unwrap().insert((clip, db), words.clone());
    words
}

/// The words that were expected, and those of them that were heard.
fn heard(chain: &Chain, known: &Alone, seed: u64) -> (usize, usize) {
    let scene = Scene::of(seed);
    let expected: Vec<String> = scene.said.iter().flat_map(|(clip, db)| alone(chain, known, *clip, *db)).collect();
    let heard = words(&chain.text(&scene.channels));
    let found = in_common(&expected, &heard);
    let percent = found * 100 / expected.len().max(1);
    println!("seed {seed}: {found} of {} words ({percent} %): {}", expected.len(), scene.told);
    if percent < LEAST_PERCENT {
        println!("  expected: {}\n  heard:    {}", expected.join(" "), heard.join(" "));
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
            let found = seeds.map(|seed| heard(&chain, &known, seed));
            found.fold((0, 0), |(all, found), (more, also)| (all + more, found + also))
        })
    };
    let (one, other) = (work(0), work(1));
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    let (all, found) = (one.0 + other.0, one.1 + other.1);
    println!("{found} of {all} words over {count} seeds from {from} on: {:.1} %", found as f64 * 100.0 / all as f64);
    assert!(all > 0 && found * 100 >= all * LEAST_PERCENT, "{found} of {all} words, seeds from {from} on");
}

/// What a review drove the program with: 83 s of quiet speech, and one bump of noise.
#[tokio::test(flavor = "multi_thread")]
async fn one_bump_of_noise_hides_nothing_of_a_quiet_recording() {
    let chain = Chain::new();
    for (db, seconds) in [(-48, 0.6), (-42, 0.6), (-36, 1.0)] {
        let speech = scene::minute_of_speech(db);
        let (chain_words, disturbed) = tokio::task::block_in_place(|| {
            let mut disturbed = speech.clone();
            scene::put_bump(&mut disturbed, 30.0, seconds, 0.25);
            (words(&chain.text(&[speech])), words(&chain.text(&[disturbed])))
        });
        let found = in_common(&chain_words, &disturbed);
        println!("{db} dB, a bump of {seconds} s: {found} of {} words", chain_words.len());
        assert!(chain_words.len() > 100 && found * 100 >= chain_words.len() * 95, "{found} of {}", chain_words.len());
    }
}

/// A detector's memory wears out in loud noise, and it then misses the first seconds of what is said behind it.
#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_noise_hide_nothing_of_what_is_said_behind_them() {
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
            let heard = in_common(&alone, &behind);
            println!("{clip:?} at {db} dB behind {kind} noise of {seconds} s: {heard} of {} words", alone.len());
            (all, found) = (all + alone.len(), found + heard);
        }
    }
    assert!(all > 100 && found * 100 >= all * 97, "{found} of {all} words");
}

#[test]
fn words_in_common_are_counted_in_their_order() {
    let count = |said, heard| in_common(&words(said), &words(heard));
    assert_eq!([count("a b c", "a b c"), count("a b c", "x a c"), count("a b", "b a"), count("a", "")], [3, 2, 1, 0]);
}
