//! Which recordings are raised, by how much, and which are left as they are.

use super::*;
use crate::sample::sample_samples;
use crate::testing::{fixture_samples, noise, pink, quieter};

fn level(samples: &[f32]) -> Level {
    let mut levels = Levels::default();
    samples.chunks(333).for_each(|piece| levels.push(piece));
    levels.finish()
}

fn gain(samples: &[f32]) -> f32 {
    level(samples).gain.factor()
}

/// The level that one sample in a thousand exceeds, by sorting.
fn thousandth(samples: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = samples.iter().map(|sample| sample.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    sizes[sizes.len() - 1 - sizes.len() / 1000]
}

#[test]
fn speech_is_brought_to_its_level_from_however_low() {
    for clip in [sample_samples(), fixture_samples("ss0890_pcm16")] {
        for db in [0.0, -12.0, -24.0] {
            let clip = quieter(&clip, db);
            let after = thousandth(&clip) * gain(&clip);
            assert!((after / WANTED - 1.0).abs() < 0.05, "{after} at {db} dB");
        }
    }
}

#[test]
fn a_gain_ends_where_only_noise_would_come_up() {
    assert_eq!(gain(&quieter(&sample_samples(), -60.0)), MOST);
}

#[test]
fn noise_alone_is_not_raised() {
    for loudness in [1e-4, 0.003, 0.05] {
        assert_eq!(gain(&noise(320_000, loudness)), 1.0, "white, {loudness}");
        assert_eq!(gain(&pink(320_000, loudness)), 1.0, "pink, {loudness}");
    }
    let mut clicks = noise(320_000, 0.003);
    (0..5).for_each(|at| clicks[at * 60_000..][..50].fill(0.4));
    assert_eq!(gain(&clicks), 1.0, "with clicks");
}

#[test]
fn what_is_too_loud_is_lowered_even_if_it_is_noise() {
    let after = thousandth(&noise(320_000, 0.99)) * gain(&noise(320_000, 0.99));
    assert!((after / WANTED - 1.0).abs() < 0.05, "{after}");
}

#[test]
fn a_few_words_in_a_long_silence_are_raised_and_not_overdriven() {
    let clip = quieter(&sample_samples(), -20.0);
    for between in [vec![0.0; 8_000_000], vec![0.0; 2_000_000], noise(8_000_000, 0.0005)] {
        let ratio = gain(&[between, clip.clone()].concat()) / gain(&clip);
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
    }
}

/// Half a minute of nothing, and in it a voice: 50 windows, with 75 loud and 50 less loud samples that stand out of it, and
/// 50 more that are 14 dB lower. Noise at 26 dB below the voice is its pause.
fn rare_voice() -> Vec<f32> {
    let mut voice = vec![0.02; 50 * WINDOW];
    (0..125).for_each(|at| voice[at * 200] = if at < 75 { 0.2 } else { 0.1 });
    [vec![0.0; 480_000], voice, vec![0.004; 50 * WINDOW], vec![0.001; 100 * WINDOW]].concat()
}

#[test]
fn of_rare_speech_one_sample_in_five_hundred_may_be_above_the_level() {
    let after = 0.1 * gain(&rare_voice());
    assert!((after / WANTED - 1.0).abs() < 0.05, "{after}");
}

#[test]
fn a_few_clicks_do_not_hide_rare_speech() {
    let mut clicks = vec![0.0; 16_000];
    (0..2).for_each(|at| clicks[at * 5_000..][..10].fill(0.9));
    assert_eq!(gain(&[clicks, rare_voice()].concat()), gain(&rare_voice()));
}

#[test]
fn what_cannot_be_heard_is_known_without_a_detector() {
    assert!(!level(&[]).audible && !level(&vec![0.0; 100_000]).audible && !level(&noise(100_000, 0.001)).audible);
    assert!(level(&noise(100_000, 0.01)).audible && level(&[vec![0.0; 900_000], sample_samples()].concat()).audible);
}

#[test]
fn what_is_shorter_than_a_window_is_as_loud_as_its_samples() {
    assert!(level(&[0.0015; 100]).audible);
}

#[test]
fn a_roar_is_loud_for_more_than_half_of_its_time() {
    let (loud, quiet) = (noise(51_200, 0.5), vec![0.0; 51_200]);
    assert!(level(&loud).roar && level(&[loud.clone(), loud.clone(), quiet.clone()].concat()).roar);
    assert!(!level(&[loud, quiet].concat()).roar && !level(&sample_samples()).roar);
}
