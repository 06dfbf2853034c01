//! Real packets, lost packets, and bytes that are not Opus.

use std::f32::consts::TAU;

use opus::{Application, Encoder};

use super::*;
use domain::Format;

use crate::decode::decoder;
use crate::testing::{fixture_samples, format, likeness, noise, recorded};

const FRAME: FrameFormat = FrameFormat::BARE;

/// Encodes a tone into packets that have this many samples at `rate`.
fn packets(rate: u32, channels: Channels, samples: usize, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(rate, channels, Application::Audio).unwrap();
    let step = channels as usize;
    let tone: Vec<f32> =
        (0..samples * count).flat_map(|i| vec![(TAU * 440.0 * i as f32 / rate as f32).sin() * 0.5; step]).collect();
    tone.chunks(samples * step).map(|frame| encoder.encode_vec_float(frame, 1_275).unwrap()).collect()
}

#[test]
fn device_recording_matches_original_in_sound_and_length() {
    for clip in ["ss0880", "ss0890"] {
        let original = fixture_samples(&format!("{clip}_pcm16"));
        for (codec, frame) in [("opus", 160), ("opus_fs320", 320)] {
            let decoded = recorded(&format!("{clip}_{codec}_16000_1_fs{frame}"));
            assert_eq!(decoded.len(), original.len() / frame * frame, "{clip} {codec}");
            let (likeness, delay) = likeness(&original, &decoded, 200);
            // In its voice mode Opus filters frequencies below speech and shifts phases.
            assert!(likeness > 0.7, "{clip} {codec}: {likeness}");
            // The encoder looks ahead by 6.5 ms, which devices do not remove.
            assert!((80..=130).contains(&delay), "{clip} {codec}: {delay} samples late");
        }
    }
}

#[test]
fn packet_of_every_frame_size_rate_and_channel_count_keeps_its_length() {
    // At 16 kHz an encoder accepts 2.5 to 60 ms; longer packets hold several frames.
    for (rate, samples) in [
        (16_000, 40),
        (16_000, 80),
        (16_000, 160),
        (16_000, 320),
        (16_000, 640),
        (16_000, 960),
        (48_000, 960),
        (8_000, 160),
        (24_000, 480),
    ] {
        for (channels, number) in [(Channels::Mono, 1), (Channels::Stereo, 2)] {
            let Format::Frames(frames) = format(&format!("opus_{rate}_{number}")) else { panic!("no frames") };
            let mut decoder = decoder(&frames).unwrap();
            let mut out = Vec::new();
            for packet in packets(rate, channels, samples, 50) {
                assert!(!matches!(decoder.decode(&packet, &mut out), Decoded::Refused));
            }
            let lasting = samples * 50 * 16_000 / rate as usize;
            assert_eq!((decoder.rate(), decoder.channels()), (RATE, number));
            assert_eq!(out.len(), lasting * number);
            let loud = out[out.len() / 2..].iter().fold(0.0f32, |max, sample| max.max(sample.abs()));
            assert!((0.35..0.7).contains(&loud), "{rate} {samples} {number}: {loud}");
        }
    }
}

#[test]
fn refused_packet_is_concealed_for_length_of_previous_packet() {
    let mut opus = Opus::new(&FRAME).unwrap();
    let mut out = Vec::new();
    let packets = packets(16_000, Channels::Mono, 320, 10);
    for packet in &packets {
        opus.decode(packet, &mut out);
    }
    // The greatest claim: 48 frames in a packet of two bytes.
    assert_eq!(opus.decode(&[0xFF, 0xFF], &mut out), Decoded::Refused);
    assert_eq!(out.len(), 3_200);
    opus.conceal(&[0xFF, 0xFF], &mut out);
    assert_eq!(out.len(), 3_520);
    let energy: f32 = out[3_200..].iter().map(|sample| sample * sample).sum();
    assert!(energy > 1.0, "the tone goes on: {energy}");
}

#[test]
fn packet_whose_length_differs_from_its_neighbours_is_doubted() {
    let (ten, twenty) = (packets(16_000, Channels::Mono, 160, 3), packets(16_000, Channels::Mono, 320, 3));
    let mut opus = Opus::new(&FRAME).unwrap();
    let mut out = Vec::new();
    let mut judge = |packet: &[u8]| opus.decode(packet, &mut out) == Decoded::Doubted;
    assert!(!judge(&ten[0]) && !judge(&ten[1]));
    assert!(judge(&twenty[0]), "a change is doubted");
    assert!(!judge(&twenty[1]), "and then it is how it is");
    assert!(!judge(&ten[2]), "what the name says is never doubted");
}

#[test]
fn no_packet_decodes_to_more_than_120_ms_whatever_it_claims() {
    let mut opus = Opus::new(&FRAME).unwrap();
    let mut state = noise(400_000, 1.0).into_iter();
    let mut byte = || (state.next().unwrap() * 127.0) as i8 as u8;
    for size in (0..2_000).map(|n| n % 150) {
        let packet: Vec<u8> = (0..size).map(|_| byte()).collect();
        let mut out = Vec::new();
        if opus.decode(&packet, &mut out) == Decoded::Refused {
            assert_eq!(out.len(), 0);
            opus.conceal(&packet, &mut out);
        }
        let lasting = out.len() / opus.channels();
        assert!((1..=MOST_SAMPLES).contains(&lasting), "{lasting}");
        assert!(out.iter().all(|sample| sample.is_finite()));
    }
}
