//! What each mix preserves, and how factors glide.

use std::f32::consts::TAU;

use super::*;
use crate::phase_shift::REACH;
use crate::testing::noise;

fn mixed(levels: &Levels, left: &[f32], right: &[f32], piece: usize) -> Vec<f32> {
    let (mut mixer, mut out) = (Mixer::new(levels), Vec::new());
    for (left, right) in left.chunks(piece).zip(right.chunks(piece)) {
        mixer.push(Piece { left, right: Some(right) }, &mut out);
    }
    mixer.finish(&mut out);
    out
}

fn of(mix: Mix) -> Levels {
    Levels::of([Stretch::new(0, 1.0, mix)])
}

fn tone(hertz: f32) -> Vec<f32> {
    (0..16_000).map(|at| 0.25 * (TAU * hertz * at as f32 / RATE as f32).sin()).collect()
}

fn scaled(samples: &[f32], by: f32) -> Vec<f32> {
    samples.iter().map(|sample| sample * by).collect()
}

/// The RMS away from both ends, where the phase shift looks beyond the recording.
fn rms(samples: &[f32]) -> f32 {
    let middle = &samples[REACH..samples.len() - REACH];
    (middle.iter().map(|sample| sample * sample).sum::<f32>() / middle.len() as f32).sqrt()
}

#[test]
fn sum_of_both_channels_is_never_quieter_than_either_whatever_sign_and_level() {
    for hertz in [150.0, 440.0, 1_000.0, 3_000.0, 7_000.0] {
        let left = tone(hertz);
        for size in [1.0, 0.97, 0.5, 0.1, 0.0, -0.1, -0.5, -0.97, -1.0] {
            let heard = rms(&mixed(&of(Mix::Both), &left, &scaled(&left, size), 333)) / rms(&left);
            assert!(heard > 0.97 * (1.0 + size * size).sqrt().min(1.05), "{heard} at {hertz} Hz and {size}");
            let right_only = rms(&mixed(&of(Mix::Both), &[0.0; 16_000], &left, 333)) / rms(&left);
            assert!(right_only > 0.85, "{right_only} at {hertz} Hz");
        }
    }
}

#[test]
fn every_mix_weights_channels_as_its_name_says() {
    let (left, right) = (noise(16_000, 0.5), scaled(&tone(500.0), 0.7));
    let plain = |one: f32, other: f32| -> Vec<f32> {
        left.iter().zip(&right).map(|(left, right)| left * one + right * other).collect()
    };
    for (mix, expected) in [
        (Mix::Mid, plain(0.5, 0.5)),
        (Mix::Side, plain(0.5, -0.5)),
        (Mix::Left, plain(1.0, 0.0)),
        (Mix::Right, plain(0.0, 1.0)),
    ] {
        assert_eq!(mixed(&of(mix), &left, &right, 777), expected, "{mix:?}");
    }
}

#[test]
fn piece_size_makes_no_difference_and_no_sample_is_lost() {
    let (left, right) = (noise(5_001, 0.5), scaled(&noise(5_001, 0.5), -0.4));
    let levels = Levels::of([
        Stretch::new(0, 1.0, Mix::Both),
        Stretch::new(100, 0.5, Mix::Left),
        Stretch::new(200, 0.25, Mix::Both),
    ]);
    let whole = mixed(&levels, &left, &right, 5_001);
    assert_eq!(whole.len(), 5_001);
    for piece in [1, 7, 159, 160, 161, 2_000] {
        assert!(mixed(&levels, &left, &right, piece) == whole, "pieces of {piece}");
    }
}

#[test]
fn factor_glides_to_the_next_and_is_exact_away_from_the_border() {
    let levels = Levels::of([Stretch::new(0, 0.1, Mix::Mid), Stretch::new(500, 1.0, Mix::Mid)]);
    let ones = vec![0.5; 16_000];
    let heard = mixed(&levels, &ones, &ones, 160);
    let at = |ms: usize| heard[ms * 16] / 0.5;
    assert!((at(399) - 0.1).abs() < 0.001 && (at(601) - 1.0).abs() < 0.001, "{} {}", at(399), at(601));
    // Half way in decibels.
    assert!((at(500) - 0.1f32.sqrt()).abs() < 0.01, "{}", at(500));
    assert!(heard.windows(2).all(|two| two[1] >= two[0] - 1e-6), "it only rises");
}

#[test]
fn levels_with_one_gain_mix_mid_at_that_gain() {
    let levels = Levels::one(domain::Gain::of(10.0));
    assert_eq!(mixed(&levels, &[0.25, 0.0625, 0.5], &[-0.125, 0.0625, 0.5], 2), [0.625, 0.625, 1.0]);
}
