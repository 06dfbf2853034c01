//! Speech and other sounds, on real clips and on generated ones.

use super::*;
use crate::testing::{f1, fixture_samples, network, noise, pink, quieter};

/// The clips, each with a second of silence around it.
fn clips() -> Vec<(&'static str, Vec<f32>)> {
    let around = |clip: Vec<f32>| [vec![0.0; 16_000], clip, vec![0.0; 16_000]].concat();
    ["jfk", "sonnet", "ss0870", "ss0880", "ss0890"]
        .map(|clip| (clip, around(fixture_samples(&format!("{clip}_pcm16")))))
        .to_vec()
}

fn with(mut silero: Silero, samples: &[f32]) -> Vec<Region> {
    samples.chunks(333).for_each(|piece| silero.push(piece));
    let found = silero.finish();
    assert_eq!(silero.finish(), [], "it is as new afterwards");
    found
}

fn regions(samples: &[f32]) -> Vec<Region> {
    with(Silero::new(network()), samples)
}

fn regions_without_sleep(samples: &[f32]) -> Vec<Region> {
    with(Silero { sleeps: false, ..Silero::new(network()) }, samples)
}

/// Asserts that both hold the same regions, with ends at most this far apart.
fn assert_alike(one: &[Region], other: &[Region], most: u32, what: &str) {
    assert_eq!(one.len(), other.len(), "{what}: {one:?} and {other:?}");
    for (one, other) in one.iter().zip(other) {
        let apart = one.start_ms.abs_diff(other.start_ms).max(one.end_ms.abs_diff(other.end_ms));
        assert!(apart <= most, "{what}: {one:?} and {other:?}");
    }
}

#[test]
fn sleeping_does_not_change_detected_speech() {
    for (name, clip) in clips() {
        for samples in [quieter(&clip, -12.0), clip.clone()] {
            assert_alike(&regions(&samples), &regions_without_sleep(&samples), WINDOW_MS, name);
        }
        // Between clips the detector wakes with an empty memory, so one pause may be added or missing, but no word is
        // lost.
        let samples = [&clip[..], &quieter(&clip, -20.0), &noise(90_000, 0.0008), &clip].concat();
        let agreed = f1(&regions(&samples), &regions_without_sleep(&samples));
        assert!(agreed > 0.98, "{name}: {agreed}");
    }
}

fn shifted(regions: &[Region], by_ms: u32) -> Vec<Region> {
    regions.iter().map(|r| Region { start_ms: r.start_ms + by_ms, end_ms: r.end_ms + by_ms }).collect()
}

#[test]
fn speech_is_found_at_its_position_and_silence_before_it_shifts_nothing() {
    for (name, clip) in clips() {
        let found = regions(&clip);
        assert!(!found.is_empty(), "{name}");
        for windows in [1, 200, 5_000] {
            let later = regions(&[vec![0.0; windows * WINDOW], clip.clone()].concat());
            let by_ms = u32::try_from(windows).unwrap() * WINDOW_MS;
            assert_alike(&later, &shifted(&found, by_ms), 0, name);
        }
        // With other window borders one pause may be added or missing.
        let later = regions(&[vec![0.0; 1_000_003], clip].concat());
        assert!(later[0].start_ms.abs_diff(found[0].start_ms + 62_500) <= 2 * WINDOW_MS, "{name}: {later:?}");
    }
}

#[test]
fn detector_hears_after_long_silence_as_at_the_beginning() {
    for (name, clip) in clips() {
        let clip = &clip[..clip.len() / WINDOW * WINDOW];
        let silence = vec![0.0; 300 * WINDOW];
        let twice = regions(&[clip, &silence, clip].concat());
        let (once, by_ms) = (regions(clip), u32::try_from((clip.len() + silence.len()) / 16).unwrap());
        assert_eq!(twice, [once.clone(), shifted(&once, by_ms)].concat(), "{name}");
    }
}

/// A chord that is struck every second.
fn music(count: usize) -> Vec<f32> {
    let turn = |at: usize, hertz: f32| (std::f32::consts::TAU * hertz * at as f32 / 16_000.0).sin();
    let chord = |at: usize| [130.8, 261.6, 329.6, 392.0].map(|hertz| turn(at, hertz)).iter().sum::<f32>();
    (0..count).map(|at| 0.1 * chord(at) * (-((at % 16_000) as f32) / 12_000.0).exp()).collect()
}

#[test]
fn start_of_speech_after_long_noise_is_found() {
    for seconds in [10_u32, 40, 100] {
        let samples = seconds as usize * 16_000;
        let sounds = [("white", noise(samples, 0.5)), ("pink", pink(samples, 0.1)), ("music", music(samples))];
        for (kind, sound) in sounds {
            for clip in ["ss0870", "ss0880"] {
                let speech = fixture_samples(&format!("{clip}_pcm16"));
                let (alone, behind) = (regions(&speech), regions(&[&sound[..], &speech].concat()));
                let late = i64::from(behind[0].start_ms) - i64::from(1_000 * seconds + alone[0].start_ms);
                println!("{clip} behind {kind} of {seconds} s: {late} ms late");
                assert!(late.abs() <= 200, "{clip} behind {kind} of {seconds} s: {late} ms late");
            }
        }
    }
}

#[test]
fn piece_size_makes_no_difference() {
    let (name, clip) = clips().remove(0);
    let in_pieces = |size| {
        let mut silero = Silero::new(network());
        clip.chunks(size).for_each(|piece| silero.push(piece));
        silero.finish()
    };
    assert_eq!(in_pieces(1), in_pieces(clip.len()), "{name}");
    assert_eq!(in_pieces(160), in_pieces(513), "{name}");
}

#[test]
fn steady_noise_is_not_speech() {
    for loudness in [0.001, 0.01, 0.05, 0.2] {
        assert_eq!(regions(&noise(480_000, loudness)), [], "white, {loudness}");
        assert_eq!(regions(&pink(480_000, loudness)), [], "pink, {loudness}");
    }
}

#[test]
fn speech_up_to_the_end_is_detected_to_the_last_sample() {
    let clip = fixture_samples("ss0890_pcm16");
    let spoken = regions(&clip)[0];
    // Cut within speech: the last batch is not full, and neither is its last window.
    let until = (spoken.start_ms as usize * 16).next_multiple_of(WINDOW) + 20 * WINDOW + 300;
    let end_ms = u32::try_from(samples_to_ms(until as u64)).unwrap();
    assert!(end_ms < spoken.end_ms, "{spoken:?}");
    assert_eq!(regions(&clip[..until]), [Region { start_ms: spoken.start_ms, end_ms }]);
}

#[test]
fn region_starts_at_score_0_5_and_continues_down_to_0_35() {
    for (name, clip) in clips() {
        let clip = &clip[..clip.len() / WINDOW * WINDOW];
        let samples = [&[0.0; CONTEXT][..], clip].concat();
        let mut expected = Hysteresis::new(0.5, 0.35, 32);
        let scores = network().run(&samples, &mut Memory::default()).unwrap();
        scores.into_iter().for_each(|score| expected.push(score));
        assert_eq!(regions_without_sleep(clip), expected.finish(u32::MAX), "{name}");
    }
}

#[test]
fn sleeping_detector_keeps_context_of_first_window_it_will_hear() {
    let (mut silero, quiet) = (Silero::new(network()), noise(20 * WINDOW, 0.0008));
    silero.push(&quiet);
    let end = (20 - LEAD) * WINDOW;
    assert_eq!(silero.batch, quiet[end - CONTEXT..end]);
}
