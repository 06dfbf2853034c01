//! What is written, read again by the reader that uploads are read with.

use proptest::prelude::*;

use super::*;
use crate::cloud::testing::{read, samples};

fn heard(samples: &[i16]) -> Vec<i16> {
    whole(&read("x.flac", &flac(samples), 0, 10_000_000))
}

/// The same samples as a device's recording: listeners hear both without their offset.
fn recorded(samples: &[i16]) -> Vec<i16> {
    let mut bytes = Vec::new();
    for frame in samples.chunks(160) {
        bytes.extend_from_slice(&(2 * frame.len() as u32).to_le_bytes());
        bytes.extend(frame.iter().flat_map(|sample| sample.to_le_bytes()));
    }
    whole(&read("audio_x_pcm16_16000_1_fs160_1748300000.bin", &bytes, 0, 10_000_000))
}

fn whole(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}

fn speech() -> Vec<i16> {
    whole(&samples(0, 2_980))
}

#[test]
fn speech_comes_back_as_it_was_in_two_thirds_of_its_size() {
    let speech = speech();
    assert_eq!(heard(&speech), recorded(&speech));
    let (size, raw) = (flac(&speech).len(), speech.len() * 2);
    assert!(size * 3 < raw * 2, "{size} of {raw} bytes");
}

#[test]
fn silence_takes_next_to_nothing() {
    let silence = vec![0; 160_000];
    assert_eq!(heard(&silence), silence);
    assert!(flac(&silence).len() < 25_000);
}

#[test]
fn frames_are_numbered_in_bytes_that_grow() {
    // Up to numbers of three bytes.
    let long: Vec<i16> = (0..2_060 * 4_096).map(|at: i32| (at % 997) as i16).collect();
    assert!(heard(&long) == recorded(&long));
    for (number, bytes) in
        [(0x7F, &[0x7F][..]), (0x80, &[0xC2, 0x80]), (0x7FF, &[0xDF, 0xBF]), (0x800, &[0xE0, 0xA0, 0x80])]
    {
        let mut bits = Bits { bytes: Vec::new(), rest: 0, count: 0 };
        bits.utf8(number);
        assert_eq!(bits.bytes, bytes);
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(
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
        prop_assert_eq!(heard(&samples), recorded(&samples));
    }

    #[test]
    fn the_extremes_are_read(length in 1..300usize, seed in any::<u64>()) {
        let samples: Vec<i16> = (0..length).map(|at| if seed >> (at % 64) & 1 == 0 { i16::MIN } else { i16::MAX }).collect();
        prop_assert_eq!(heard(&samples), recorded(&samples));
    }
}
