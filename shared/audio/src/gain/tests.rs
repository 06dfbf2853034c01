//! Which stretches are raised and by how much, and which are left alone.

use super::*;
use crate::level::Meter;
use crate::sample::sample_samples;
use crate::testing::{fixture_samples, noise, pink, quieter};

const SECOND: usize = 16_000;

fn gains(samples: &[f32]) -> Vec<f32> {
    let (mut meter, mut blocks) = (Meter::default(), Vec::new());
    meter.push(samples.iter().copied(), &mut blocks);
    meter.finish(&mut blocks);
    let (mut gains, mut decided) = (Gains::default(), Vec::new());
    for block in &blocks {
        gains.push(*block, &mut decided);
    }
    gains.finish(&mut decided);
    assert_eq!(decided.iter().map(|(block, _)| *block).collect::<Vec<_>>(), blocks);
    let found: Vec<f32> = decided.into_iter().map(|(_, factor)| factor).collect();
    assert!(found == factors(&blocks), "they do not depend on when they are decided");
    found
}

fn within(found: &[f32], from_s: usize, to_s: usize) -> (f32, f32) {
    let part = &found[from_s * 10..to_s * 10];
    (part.iter().copied().fold(f32::MAX, f32::min), part.iter().copied().fold(0.0, f32::max))
}

/// The level that one sample in a thousand exceeds, found by sorting.
fn thousandth(samples: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = samples.iter().map(|sample| sample.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    sizes[sizes.len() - 1 - sizes.len() / 1000]
}

fn sonnet(seconds: usize, db: f32) -> Vec<f32> {
    // The first 3 s of the clip are silent and are left out.
    quieter(&fixture_samples("sonnet_pcm16")[3 * SECOND..][..seconds * SECOND], db)
}

#[test]
fn speech_is_raised_to_target_level_from_any_low_level() {
    for clip in [sample_samples(), fixture_samples("ss0890_pcm16"), fixture_samples("jfk_pcm16"), sonnet(40, 0.0)] {
        let own = gains(&clip);
        for db in [0.0, -12.0, -24.0] {
            let clip = quieter(&clip, db);
            let found = gains(&clip);
            let heard: Vec<f32> =
                clip.iter().enumerate().map(|(at, sample)| sample * found[(at / 1_600).min(found.len() - 1)]).collect();
            let after = thousandth(&heard);
            println!("{db} dB: {after}, factors {:?}", within(&found, 0, found.len() / 10));
            assert!((0.3..1.0).contains(&after), "{after} at {db} dB");
            let raised = 10f32.powf(-db / 20.0);
            assert!(own.iter().zip(&found).all(|(own, found)| found <= &(own * raised * 1.05) && *found <= MOST));
        }
    }
    assert!(gains(&sonnet(20, -60.0)).iter().all(|gain| *gain == MOST));
}

#[test]
fn steady_noise_is_not_raised_however_long_it_lasts() {
    for loudness in [1e-4, 0.003, 0.05] {
        for (name, noise) in [("white", noise(60 * SECOND, loudness)), ("pink", pink(300 * SECOND, loudness))] {
            let found = gains(&noise);
            let raised = found.iter().filter(|gain| **gain > 1.0).count();
            assert_eq!(raised, 0, "{name}, {loudness}: {raised} of {}", found.len());
        }
    }
    let hum: Vec<f32> =
        (0..60 * SECOND).map(|at| 0.01 * (at as f32 * std::f32::consts::TAU * 50.0 / 16_000.0).sin()).collect();
    assert!(gains(&hum).iter().all(|gain| *gain <= 1.0));
    assert!(gains(&vec![0.0; 60 * SECOND]).iter().all(|gain| *gain <= 1.0));
}

#[test]
fn clicks_do_not_raise_noise_between_them() {
    let mut clicks = noise(60 * SECOND, 0.003);
    (0..15).for_each(|at| clicks[at * 60_000..][..50].fill(0.4));
    assert!(gains(&clicks).iter().all(|gain| *gain <= 1.0));
}

#[test]
fn sound_that_is_too_loud_is_lowered_even_if_it_is_noise() {
    let found = gains(&noise(20 * SECOND, 0.99));
    assert!(found.iter().all(|gain| (0.3..0.4).contains(gain)), "{:?}", &found[..10]);
}

#[test]
fn few_words_in_long_silence_are_raised_and_not_overdriven() {
    let clip = quieter(&sample_samples(), -20.0);
    let alone = gains(&clip);
    for around in [vec![0.0; 30 * SECOND], noise(30 * SECOND, 0.0005)] {
        let found = gains(&[around.clone(), clip.clone(), around].concat());
        let (low, own_low) = (within(&found, 30, 32).0, within(&alone, 0, 2).0);
        let loudest = clip.iter().enumerate().map(|(at, s)| s.abs() * found[300 + at / 1_600]).fold(0.0, f32::max);
        assert!(low > own_low * 0.7 && loudest < 1.5, "{low}, not {own_low}; {loudest}");
    }
}

/// The disturbance comes first, then five seconds with nothing but quiet speech.
#[test]
fn loud_moment_does_not_change_gain_two_seconds_away() {
    let speech = sonnet(20, -36.0);
    let alone = gains(&speech);
    let loud = |seconds: usize| noise(seconds * SECOND, 0.5);
    for bump in [loud(1), loud(10), sonnet(10, 0.0)] {
        let found = gains(&[bump.clone(), speech.clone(), bump.clone()].concat());
        let from = bump.len() / 1_600;
        for (at, alone) in alone.iter().enumerate().take(180).skip(20) {
            let ratio = found[from + at] / alone;
            assert!((0.5..2.0).contains(&ratio), "{ratio} at {at}");
        }
    }
}

#[test]
fn loud_noise_beside_quiet_voice_is_not_raised_with_it() {
    let found = gains(&[noise(30 * SECOND, 0.2), sonnet(20, -40.0)].concat());
    assert!(within(&found, 0, 28).1 <= 4.0, "{:?}", within(&found, 0, 28));
    assert!(within(&found, 33, 48).0 > 10.0, "{:?}", within(&found, 33, 48));
}

#[test]
fn pauses_of_voice_are_raised_with_it_and_not_beyond_it() {
    let voice = sonnet(10, -20.0);
    let found = gains(&[voice.clone(), noise(5 * SECOND, 0.0002), voice].concat());
    let (own, pause) = (within(&found, 2, 8), within(&found, 11, 14));
    assert!(pause.0 > own.0 * 0.5 && pause.1 < own.1 * 2.0, "{pause:?} beside {own:?}");
}
