//! One clip in every format that phones, browsers and programs write; each has to sound as it was recorded.

use super::found;
use crate::Verdict;
use crate::testing::{all_samples, fixture_samples, format_file, sound_format};

const WHOLE: usize = 47_840;
/// 1.6 seconds.
const PART: usize = 25_600;

/// Every file, how many samples it has at 16 kHz, by how many that number may be off, and how similar it has to be.
/// Encoders that state their padding are exact to a sample; the others add up to two packets.
const FILES: [(&str, usize, usize, f32); 28] = [
    ("s24.wav", PART, 0, 0.9999),
    ("f32.wav", PART, 0, 0.9999),
    ("s16_48000_2.wav", PART, 1, 0.999),
    ("mulaw.wav", WHOLE, 2, 0.9),
    // Blocks have a fixed size, and the last one is filled up.
    ("adpcm_ima.wav", WHOLE, 2_041, 0.98),
    ("adpcm_ms.wav", WHOLE, 2_041, 0.98),
    ("s32_96000.flac", PART, 1, 0.999),
    ("vbr.mp3", WHOLE, 20, 0.95),
    ("mp2.mp3", WHOLE, 1_152, 0.95),
    ("vorbis.ogg", WHOLE, 1, 0.95),
    ("opus.ogg", WHOLE, 1, 0.9),
    ("flac.ogg", PART, 0, 0.9999),
    ("opus.opus", WHOLE, 1, 0.9),
    ("surround.opus", WHOLE, 1, 0.9),
    ("opus.webm", WHOLE, 640, 0.9),
    ("live.webm", WHOLE, 640, 0.9),
    ("opus.mka", WHOLE, 640, 0.9),
    ("vorbis.webm", WHOLE, 1_024, 0.95),
    ("aac.m4a", WHOLE, 1, 0.95),
    ("faststart.mp4", WHOLE, 1, 0.95),
    ("fragments.mp4", WHOLE, 2_048, 0.95),
    ("global_sidx.mp4", WHOLE, 2_048, 0.95),
    ("adts.aac", WHOLE, 2_048, 0.95),
    ("alac.m4a", PART, 0, 0.9999),
    ("opus.mp4", WHOLE, 320, 0.9),
    ("s16.aiff", PART, 0, 0.9999),
    ("s16.caf", PART, 0, 0.9999),
    ("s16.mov", PART, 0, 0.9999),
];

/// The correlation with the original at the best delay.
fn likeness(original: &[f32], heard: &[f32]) -> (f32, usize) {
    let original = &original[6_000..20_000];
    let at = |delay: usize| {
        let heard = &heard[6_000 + delay..];
        let (mut product, mut one, mut other) = (0.0f64, 0.0f64, 0.0f64);
        for (a, b) in original.iter().zip(heard) {
            product += f64::from(a * b);
            one += f64::from(a * a);
            other += f64::from(b * b);
        }
        (product / (one * other).sqrt().max(1e-9)) as f32
    };
    (0..=2_048).map(|delay| (at(delay), delay)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

fn extension(name: &str) -> &str {
    name.split('.').nth(1).unwrap()
}

#[test]
fn every_format_matches_original_in_sound_and_length() {
    let original = fixture_samples("ss0880_pcm16");
    let mut wrong = Vec::new();
    for (name, samples, most, least) in FILES {
        let bytes = format_file(name);
        let heard = all_samples(&sound_format(extension(name)), &bytes);
        let (likeness, delay) = likeness(&original, &heard);
        let found = found(extension(name), &bytes).unwrap();
        let survey = &found.survey;
        let damage = (survey.dropped_bytes, survey.dropped_beyond_packet, survey.concealed_ms, survey.is_damaged());
        let good = heard.len().abs_diff(samples) <= most
            && likeness > least
            && (delay <= 8 || most > 1)
            && (found.verdict(), damage) == (Verdict::Speech, (0, false, 0, false));
        if !good {
            wrong.push(format!("{name}: {} samples, {likeness} at {delay}, {survey:?}", heard.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The content decides what a file is.
#[test]
fn every_format_is_read_under_any_extension() {
    for (name, ..) in FILES {
        let bytes = format_file(name);
        let heard = all_samples(&sound_format(extension(name)), &bytes);
        for ending in domain::SoundFile::ALL {
            assert!(all_samples(&sound_format(ending.as_str()), &bytes) == heard, "{name} as {ending}");
        }
    }
}

/// There is no decoder for it, and the user has to learn why.
#[test]
fn aac_with_more_than_two_channels_is_refused_with_clear_message() {
    let adts = |channels: u8| {
        let header = [0xFF, 0xF1, 0x60 | channels >> 2, channels << 6, 0x02, 0x1F, 0xFC];
        [&header[..], &[0; 9]].concat().repeat(40)
    };
    let mut m4a = format_file("aac.m4a");
    // The config of AAC-LC at 16 kHz is 14 08 for one channel and 14 30 for six.
    let at = m4a.windows(4).position(|four| four == [5, 0x80, 0x80, 0x80]).unwrap() + 5;
    assert_eq!(m4a[at..at + 2], [0x14, 0x08]);
    m4a[at + 1] = 0x30;
    for bytes in [adts(6), m4a] {
        let error = found("aac", &bytes).unwrap_err();
        assert!(error.to_string().contains("more than two channels"), "{error}");
    }
}

#[test]
fn amr_is_refused_with_clear_message() {
    for head in [&b"#!AMR\n"[..], b"#!AMR-WB\n"] {
        let error = found("amr", &[head, &[0x3C; 3_200]].concat()).unwrap_err();
        assert!(error.to_string().contains("AMR"), "{error}");
    }
}
