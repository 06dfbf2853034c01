//! Frames of the reference encoder (liblc3) and of the library's own encoder, lost frames, and bytes that are not LC3.

use lc3_codec::encoder::lc3_encoder::Lc3Encoder;

use super::*;
use crate::testing::{fixture_samples, likeness, noise, recorded, recording};

fn frames(described: &str) -> Vec<Vec<u8>> {
    let bytes = recording(described);
    let mut frames = crate::Frames::new(&bytes[..]);
    let mut all = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        all.push(frame.to_vec());
    }
    all
}

/// A tone, encoded by the library's own encoder.
fn tone(rate: u32, hertz: f32) -> Vec<Vec<u8>> {
    let (frequency, duration) = (frequency(rate).unwrap(), FrameDuration::TenMs);
    let (integers, reals, complexes) = Lc3Encoder::calc_working_buffer_lengths(1, duration, frequency);
    let (mut integers, mut reals) = (vec![0; integers], vec![0.0; reals]);
    let mut complexes = vec![Complex::default(); complexes];
    let mut encoder = Lc3Encoder::new(1, duration, frequency, &mut integers, &mut reals, &mut complexes);
    let sample = |i: u32| ((std::f32::consts::TAU * hertz * i as f32 / rate as f32).sin() * 16_384.0) as i16;
    let samples: Vec<i16> = (0..rate / 2).map(sample).collect();
    let encoded = samples.chunks(rate as usize / 100).map(|ten_ms| {
        let mut frame = vec![0; FRAME_BYTES];
        encoder.encode_frame(0, ten_ms, &mut frame).unwrap();
        frame
    });
    encoded.collect()
}

fn decoded(lc3: &mut Lc3, frames: &[Vec<u8>]) -> Vec<f32> {
    let mut out = Vec::new();
    for frame in frames {
        assert_eq!(lc3.decode(frame, &mut out), Decoded::Audio { leftover: 0 });
    }
    out
}

/// The amplitude of a frequency in the middle of half a second of samples: 0.5 for the tone above.
fn loudness(samples: &[f32], rate: u32, hertz: f32) -> f32 {
    let middle = &samples[samples.len() / 2..];
    let turn = |i: usize| std::f32::consts::TAU * hertz * i as f32 / rate as f32;
    let (mut a, mut b) = (0.0, 0.0);
    for (i, sample) in middle.iter().enumerate() {
        (a, b) = (a + sample * turn(i).sin(), b + sample * turn(i).cos());
    }
    2.0 * (a * a + b * b).sqrt() / middle.len() as f32
}

#[test]
fn recording_of_reference_encoder_matches_original_in_sound_and_length() {
    let original = fixture_samples("ss0880_pcm16");
    for (described, least) in [("ss0880_lc3_fs1030_16000_1_fs160", 0.95), ("ss0880_lc3_fs1030_8000_1_fs80", 0.9)] {
        let decoded = recorded(described);
        assert_eq!(decoded.len(), 47_840, "{described}");
        let (likeness, delay) = likeness(&original, &decoded, 200);
        assert!(likeness > least, "{described}: {likeness}");
        // LC3 delays by 2.5 ms at either end, and the resampling of the clip to 8 kHz adds some.
        assert!((35..=90).contains(&delay), "{described}: {delay} samples late");
    }
}

#[test]
fn tone_is_kept_at_every_rate_and_two_channels_stay_separate() {
    for rate in [16_000, 24_000, 32_000, 48_000] {
        let (low, high) = (tone(rate, 500.0), tone(rate, 1_100.0));
        let mut mono = Lc3::new(rate, 1).unwrap();
        let heard = decoded(&mut mono, &low);
        assert_eq!((heard.len(), mono.rate()), (rate as usize / 2, rate));
        assert!((0.4..0.6).contains(&loudness(&heard, rate, 500.0)), "{rate} {}", loudness(&heard, rate, 500.0));
        assert!(loudness(&heard, rate, 1_100.0) < 0.01, "{rate} {}", loudness(&heard, rate, 1_100.0));

        let both: Vec<Vec<u8>> = low.iter().zip(&high).map(|(low, high)| [&low[..], high].concat()).collect();
        let heard = decoded(&mut Lc3::new(rate, 2).unwrap(), &both);
        assert_eq!(heard.len(), rate as usize);
        for (channel, hertz, other) in [(0, 500.0, 1_100.0), (1, 1_100.0, 500.0)] {
            let one: Vec<f32> = heard.iter().skip(channel).step_by(2).copied().collect();
            assert!((0.4..0.6).contains(&loudness(&one, rate, hertz)), "{hertz} at {rate}");
            assert!(loudness(&one, rate, other) < 0.01, "{other} at {rate}");
        }
    }
}

#[test]
fn several_lc3_frames_in_one_file_frame_decode_as_if_separate() {
    let frames = frames("ss0880_lc3_fs1030_16000_1_fs160");
    let packed: Vec<Vec<u8>> = frames.chunks(3).map(<[Vec<u8>]>::concat).collect();
    let one_by_one = decoded(&mut Lc3::new(16_000, 1).unwrap(), &frames);
    assert!(one_by_one == decoded(&mut Lc3::new(16_000, 1).unwrap(), &packed));
}

#[test]
fn frame_of_other_length_is_refused_and_concealed_for_its_own_length() {
    let mut lc3 = Lc3::new(16_000, 1).unwrap();
    let mut out = decoded(&mut lc3, &tone(16_000, 500.0)[..20]);
    for (length, points) in [(0, 1), (1, 1), (29, 1), (31, 1), (59, 1), (61, 2), (95, 3)] {
        let (before, frame) = (out.len(), vec![7; length]);
        assert_eq!(lc3.decode(&frame, &mut out), Decoded::Refused, "{length}");
        assert_eq!(out.len(), before, "a refused frame leaves nothing");
        lc3.conceal(&frame, &mut out);
        assert_eq!(out.len() - before, points * 160, "{length}");
    }
    assert_eq!(Lc3::new(16_000, 2).unwrap().decode(&[7; 30], &mut out), Decoded::Refused, "a channel is missing");
}

#[test]
fn lost_frame_continues_previous_sound_and_fades() {
    let mut lc3 = Lc3::new(16_000, 1).unwrap();
    decoded(&mut lc3, &tone(16_000, 500.0)[..20]);
    let mut out = Vec::new();
    (0..100).for_each(|_| lc3.conceal(&[], &mut out));
    let power = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
    assert!(power(&out[..320]) > 0.02, "{}", power(&out[..320]));
    assert!(power(&out[8_000..]) < 1e-4, "{}", power(&out[8_000..]));
}

/// The library would conceal such a frame without reporting it.
#[test]
fn frame_that_no_encoder_writes_is_refused_or_makes_its_neighbours_doubted() {
    let mut lc3 = Lc3::new(16_000, 1).unwrap();
    let (good, mut out) = (tone(16_000, 500.0), Vec::new());
    // The seven bits after the first claim more spectral lines than there are.
    let mut impossible = good[0].clone();
    impossible[29] |= 0xFE;
    assert_eq!(lc3.decode(&impossible, &mut out), Decoded::Refused);
    assert_eq!(lc3.decode(&[&good[0][..], &impossible].concat(), &mut out), Decoded::Doubted);
    assert_eq!(out.len(), 320);
    assert_eq!(lc3.decode(&impossible.repeat(2), &mut out), Decoded::Refused);
    assert_eq!(lc3.decode(&good[1], &mut out), Decoded::Audio { leftover: 0 });
}

#[test]
fn random_bytes_are_refused_too_often_to_count_as_silence() {
    let mut bytes = noise(30 * 2_000, 1.0).into_iter().map(|sample| (sample * 127.0) as i8 as u8);
    let mut lc3 = Lc3::new(16_000, 1).unwrap();
    let (mut refused, mut out) = (0, Vec::new());
    for _ in 0..2_000 {
        let frame: Vec<u8> = bytes.by_ref().take(30).collect();
        refused += u32::from(lc3.decode(&frame, &mut out) == Decoded::Refused);
    }
    assert!(refused > 600, "{refused} of 2,000");
    assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)));
}

#[test]
fn lc3_decoder_is_refused_for_unspecified_rates() {
    for rate in [0, 11_025, 44_100, 96_000] {
        assert!(matches!(Lc3::new(rate, 1), Err(AudioError::NoDecoder(_))), "{rate}");
    }
    assert_eq!(
        domain::name::LC3_RATES.map(|rate| Lc3::new(rate, 2).map(|lc3| lc3.rate()).unwrap_or(0)),
        domain::name::LC3_RATES
    );
}
