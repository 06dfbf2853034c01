//! Decodes the encoded files again with the decoder for uploads.

use proptest::prelude::*;

use super::*;
use crate::cloud::testing::{read, samples};

fn decoded(samples: &[i16]) -> Vec<i16> {
    to_integers(&read("x.flac", &flac(samples).unwrap(), 0, 10_000_000))
}

/// The same samples decoded from a device's recording. In both cases the decoder removes the DC offset.
fn recorded(samples: &[i16]) -> Vec<i16> {
    let mut bytes = Vec::new();
    for frame in samples.chunks(160) {
        bytes.extend_from_slice(&(2 * frame.len() as u32).to_le_bytes());
        bytes.extend(frame.iter().flat_map(|sample| sample.to_le_bytes()));
    }
    to_integers(&read("audio_x_pcm16_16000_1_fs160_1748300000.bin", &bytes, 0, 10_000_000))
}

fn to_integers(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}

fn speech() -> Vec<i16> {
    to_integers(&samples(0, 2_980))
}

#[test]
fn speech_is_lossless_and_takes_at_most_two_thirds_of_its_size() {
    let speech = speech();
    assert_eq!(decoded(&speech), recorded(&speech));
    let (size, raw) = (flac(&speech).unwrap().len(), speech.len() * 2);
    assert!(size * 3 < raw * 2, "{size} of {raw} bytes");
}

#[test]
fn silence_takes_little_space() {
    let silence = vec![0; 160_000];
    assert_eq!(decoded(&silence), silence);
    assert!(flac(&silence).unwrap().len() < 25_000);
}

#[test]
fn frame_numbers_of_more_than_one_byte_are_read_back() {
    // Numbers from 128 on have two bytes, and those from 2,048 on have three.
    let long: Vec<i16> = (0..2_060 * 4_096).map(|at: i32| (at % 997) as i16).collect();
    assert!(decoded(&long) == recorded(&long));
}

proptest! {
    #[test]
    fn any_samples_are_lossless(
        length in prop_oneof![1..40usize, 4_000..4_200usize, 8_190..8_200usize],
        loud in prop_oneof![Just(0u32), Just(3), Just(300), Just(65_536)],
        step in 1..20_000i32,
        seed in any::<u32>(),
    ) {
        let mut state = seed | 1;
        let samples: Vec<i16> = (0..length as i32).map(|at| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let noise = if loud == 0 { 0 } else { (state % loud) as i32 - (loud / 2) as i32 };
            let saw = (at * step) % 9_000;
            (noise + saw).clamp(-32_768, 32_767) as i16
        }).collect();
        prop_assert_eq!(decoded(&samples), recorded(&samples));
    }

    #[test]
    fn extreme_samples_are_lossless(length in 1..300usize, seed in any::<u64>()) {
        let samples: Vec<i16> = (0..length).map(|at| if seed >> (at % 64) & 1 == 0 { i16::MIN } else { i16::MAX }).collect();
        prop_assert_eq!(decoded(&samples), recorded(&samples));
    }
}
