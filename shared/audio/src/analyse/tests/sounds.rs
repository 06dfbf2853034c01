//! From a file to its speech with the real detector: sounds that are not speech, speech in noise, speech at low levels,
//! and speech at known positions.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::analyse::*;
use crate::detect::{Region, Silero};
use crate::survey::survey;
use crate::testing::{f1, file, fixture_samples, format, network, noise, pink, quieter, s16};

const SECOND: usize = 16_000;

/// The result of both passes for a recording of these samples.
fn heard(samples: &[f32]) -> Analysis {
    let (bytes, format) = (file(&s16(samples), 320), format("pcm16_16000_1"));
    let (survey, kept) = survey(&format, &mut &bytes[..]).unwrap();
    let (rules, mut silero) = (SegmentRules::new(Duration::from_secs(15)), Silero::new(network()));
    let mut bytes = &bytes[..];
    let again = kept.as_ref().map_or_else(|| Input::from(&mut bytes), Input::from);
    analyse(survey, &format, again, &rules, &mut silero).unwrap()
}

fn clip(name: &str) -> Vec<f32> {
    fixture_samples(&format!("{name}_pcm16"))
}

fn made(seconds: usize, sample: impl FnMut(f32) -> f32) -> Vec<f32> {
    (0..seconds * SECOND).map(|at| at as f32 / SECOND as f32).map(sample).collect()
}

/// Noise between about 300 and 2,000 Hz that swells and fades: in through the nose, out through the mouth.
fn breathing(seconds: usize) -> Vec<f32> {
    let (mut low, mut lower, white) = (0.0, 0.0, noise(seconds * SECOND, 1.0));
    let mut white = white.iter();
    made(seconds, |at| {
        low += 0.5 * (white.next().copied().unwrap_or(0.0) - low);
        lower += 0.11 * (low - lower);
        let (phase, loud) = (at % 4.0, if at % 4.0 < 1.6 { 0.5 } else { 1.0 });
        let swell = if phase < 1.6 {
            phase / 1.6
        } else if phase < 3.4 {
            (phase - 1.6) / 1.8
        } else {
            0.0
        };
        0.5 * loud * (swell * TAU / 2.0).sin() * (low - lower)
    })
}

/// Four chords, struck every two seconds, each note with its overtones, over a bass.
fn music(seconds: usize) -> Vec<f32> {
    const CHORDS: [[f32; 4]; 4] = [
        [65.4, 261.6, 329.6, 392.0],
        [55.0, 220.0, 261.6, 329.6],
        [43.7, 174.6, 220.0, 261.6],
        [49.0, 196.0, 246.9, 293.7],
    ];
    made(seconds, |at| {
        let struck = at % 2.0;
        let note = |hertz: f32| (1..=5u8).map(f32::from).map(|n| (TAU * hertz * n * at).sin() / (n * n)).sum::<f32>();
        let chord = CHORDS[(at / 2.0) as usize % 4].map(note).iter().sum::<f32>();
        0.12 * chord * (struck * 60.0).min(1.0) * (-0.8 * struck).exp()
    })
}

#[test]
fn sounds_without_speech_are_silent_at_any_level() {
    // A louder tone would count as a roar.
    let tone = made(20, |at| 0.3 * (TAU * 440.0 * at).sin());
    let mut clicks = vec![0.0; 20 * SECOND];
    (0..40).for_each(|at| clicks[at * 7_900 + 100..][..40].fill(0.8));
    let sounds: [(&str, Vec<f32>); 6] = [
        ("silence", vec![0.0; 20 * SECOND]),
        ("a tone", tone),
        ("clicks", clicks),
        ("breathing", breathing(20)),
        ("music", music(20)),
        ("pink noise", pink(20 * SECOND, 0.15)),
    ];
    for (name, sound) in sounds {
        for db in [0.0, -12.0, -30.0, -50.0] {
            let found = heard(&quieter(&sound, db));
            assert_eq!((found.verdict(), &found.speech[..]), (Verdict::Silent, &[][..]), "{name} at {db} dB");
        }
    }
}

fn rms(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// Labels where somebody speaks in a clean recording by its loudness alone: everything that is at most this far below
/// the loudest 10 ms, with the same limits for short pauses and short sounds as regions have.
fn labels(clean: &[f32], below: f32) -> Vec<Region> {
    let loudness: Vec<f32> = clean.chunks(160).map(rms).collect();
    let least = loudness.iter().copied().fold(0.0, f32::max) * below;
    let mut labels: Vec<Region> = Vec::new();
    for (step, _) in (0u32..).zip(&loudness).filter(|(_, loudness)| **loudness > least) {
        let (start_ms, end_ms) = (step * 10, step * 10 + 10);
        match labels.last_mut() {
            Some(last) if start_ms - last.end_ms < crate::detect::MIN_PAUSE_MS => last.end_ms = end_ms,
            _ => labels.push(Region { start_ms, end_ms }),
        }
    }
    labels.retain(|label| label.end_ms - label.start_ms >= crate::detect::MIN_SPEECH_MS);
    labels
}

/// All clips with pauses of different lengths between them, and the regions in which there is speech.
fn clean() -> (Vec<f32>, Vec<Region>) {
    let mut all = vec![0.0; 3 * SECOND];
    for (number, name) in ["jfk", "ss0870", "ss0880", "ss0890", "sonnet"].iter().enumerate() {
        let clip = clip(name);
        let level = 0.05 / rms(&clip);
        all.extend(clip.iter().map(|sample| sample * level));
        all.resize(all.len() + (2 + number) * SECOND, 0.0);
    }
    let labels = labels(&all, 0.03);
    (all, labels)
}

#[test]
fn speech_is_found_in_equally_loud_noise() {
    let (clean, labels) = clean();
    let spoken: Vec<f32> = labels
        .iter()
        .flat_map(|label| clean[label.start_ms as usize * 16..label.end_ms as usize * 16].iter().copied())
        .collect();
    for (snr_db, least) in [(40.0, 0.93), (10.0, 0.92), (0.0, 0.90)] {
        let noise = pink(clean.len(), rms(&spoken) * 10f32.powf(-snr_db / 20.0));
        let mix: Vec<f32> = clean.iter().zip(&noise).map(|(clean, noise)| clean + noise).collect();
        for db in [0.0, -24.0] {
            let found = f1(&heard(&quieter(&mix, db)).speech, &labels);
            println!("speech {snr_db} dB above pink noise, {db} dB: F1 {found:.3}");
            assert!(found >= least, "{found} at {snr_db} dB above the noise, {db} dB");
        }
    }
}

#[test]
fn speech_at_very_low_level_is_found_where_it_is_found_at_normal_level() {
    for name in ["jfk", "sonnet", "ss0870", "ss0880", "ss0890"] {
        let (clip, low) = (clip(name), quieter(&clip(name), -42.0));
        let (found, found_low) = (heard(&clip), heard(&low));
        let agreed = f1(&found.speech, &found_low.speech);
        println!("{name}: {:?} and {:?}, F1 {agreed:.3}", found.levels.stretches(), found_low.levels.stretches());
        assert!(agreed > 0.95, "{name}: {agreed}");
        assert_eq!(found.segments.len(), found_low.segments.len(), "{name}");
    }
}

#[test]
fn clip_at_known_position_is_found_there() {
    for name in ["jfk", "ss0870", "ss0880", "ss0890"] {
        let clip = clip(name);
        let spoken_ms = labels(&clip, 0.1)[0].start_ms;
        for (lead, around) in [(0, 0.0), (12_345, 0.0), (12_345, 0.0002), (600_000, 0.0)] {
            let around = |ms: usize| noise(ms * 16, around);
            let found = heard(&[around(lead), clip.clone(), around(3_000)].concat());
            let expected = u32::try_from(lead).unwrap() + spoken_ms;
            let start_ms = found.speech[0].start_ms;
            assert!(start_ms.abs_diff(expected) <= 250, "{name} after {lead} ms: {start_ms}, not {expected}");
            assert!(start_ms - found.segments[0].start_ms <= 200, "what is before it is padding");
        }
    }
}

#[test]
fn dc_offset_does_not_change_found_speech() {
    for offset in [0.1, -0.4] {
        let clip = clip("ss0890");
        let off: Vec<f32> = clip.iter().map(|sample| sample * 0.5 + offset).collect();
        let (found, with_offset) = (heard(&quieter(&clip, -6.0206)), heard(&off));
        assert_eq!(found.segments.len(), with_offset.segments.len());
        assert!(f1(&found.speech, &with_offset.speech) > 0.99, "{:?} {:?}", found.speech, with_offset.speech);
    }
}

/// A voice as a stereo file in every codec that the tests can write. The right channel is the left one multiplied by
/// `right`.
fn stereo(samples: &[f32], right: f32) -> Vec<(&'static str, Vec<u8>)> {
    let both: Vec<f32> = samples.iter().flat_map(|sample| [*sample, *sample * right]).collect();
    let mulaw = |sample: f32| {
        // Picks the byte whose value is nearest to the sample.
        let off = |byte: &u8| i32::from(crate::mulaw::expand(*byte)).abs_diff((sample * 32_767.0) as i32);
        (0..=u8::MAX).min_by_key(off).unwrap()
    };
    let mut encoder = opus::Encoder::new(16_000, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(96_000)).unwrap();
    let packets = both.as_chunks::<640>().0.iter().map(|frame| encoder.encode_vec_float(frame, 1_275).unwrap());
    vec![
        ("pcm16_16000_2", file(&s16(&both), 640)),
        ("pcm8_16000_2", file(&both.iter().map(|s| (s * 127.0 + 128.0).round() as u8).collect::<Vec<_>>(), 320)),
        ("mulaw8_16000_2", file(&both.iter().map(|s| mulaw(*s)).collect::<Vec<_>>(), 320)),
        ("opus_fs320_16000_2", packets.flat_map(|packet| file(&packet, packet.len())).collect()),
    ]
}

#[test]
fn inverted_channel_does_not_cancel_voice_in_any_codec() {
    let clip = clip("ss0890");
    let alone = heard(&clip).speech;
    for right in [-1.0, -0.97, -0.6, 0.0, 1.0] {
        for (described, bytes) in stereo(&clip, right) {
            let format = format(described);
            let (survey, _) = survey(&format, &mut &bytes[..]).unwrap();
            let (rules, mut silero) = (SegmentRules::new(Duration::from_secs(15)), Silero::new(network()));
            let found = analyse(survey, &format, &mut &bytes[..], &rules, &mut silero).unwrap();
            let agreed = f1(&found.speech, &alone);
            assert!(agreed > 0.9, "{described}, {right}: {agreed}");
            let mut loudest = 0.0f32;
            crate::cut(&format, &mut &bytes[..], &found.levels, &found.segments, &mut |_, samples| {
                loudest = samples.iter().fold(loudest, |loudest, sample| loudest.max(sample.abs()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
            assert!(loudest > 0.3, "{described}, {right}: {loudest}");
        }
    }
}

#[test]
fn two_channels_of_every_container_stay_separate() {
    for name in ["44100_2.flac", "44100_2.mp3", "48000_2.ogg", "48000_2.m4a"] {
        let (format, bytes) =
            (crate::testing::sound_format(name.rsplit_once('.').unwrap().1), crate::testing::sound(name));
        let mut cursor = std::io::Cursor::new(&bytes);
        let mut samples = Samples::new(&format, Input::ranges(&mut cursor)).unwrap();
        let mut two = 0;
        while let Some(piece) = samples.next_piece().unwrap() {
            two += piece.right.map_or(0, <[f32]>::len);
        }
        assert!(two > 40_000, "{name}: {two}");
    }
}
