//! Every kind of sound file against what was recorded; cut off, damaged, and under a wrong name.

use std::io::Cursor;
use std::time::Duration;

use domain::Format;

use super::*;
use crate::testing::{all_samples, fixture_samples, likeness, noise, s16, sound, sound_format};
use crate::{Analysis, Energy, SegmentRules, Verdict, analyse};

/// Every file of the clip, how alike it has to be, and how long it lasts, in samples.
const CLIPS: [(&str, f32, usize); 8] = [
    ("16000_1.flac", 0.9999, 47_840),
    ("44100_2.flac", 0.999, 47_840),
    ("44100_2.mp3", 0.98, 47_840),
    ("16000_1.mp3", 0.95, 49_536),
    ("48000_2.ogg", 0.95, 47_840),
    ("48000_1.opus", 0.9, 47_840),
    ("48000_2.m4a", 0.95, 47_840),
    ("16000_1.m4a", 0.95, 47_840),
];

fn clip(name: &str) -> (Format, Vec<u8>) {
    (sound_format(name.split('.').nth(1).unwrap()), sound(name))
}

fn found(extension: &str, bytes: &[u8]) -> Result<Analysis, AudioError> {
    let rules = SegmentRules::new(Duration::from_secs(15));
    let mut cursor = Cursor::new(bytes);
    analyse(&sound_format(extension), Input::ranges(&mut cursor), &rules, &mut Energy::new())
}

#[test]
fn every_sound_file_sounds_like_what_was_recorded_and_lasts_as_long() {
    let original = fixture_samples("ss0880_pcm16");
    for (name, least, samples) in CLIPS {
        let (format, bytes) = clip(name);
        let decoded = all_samples(&format, &bytes);
        assert!(decoded.len().abs_diff(samples) <= 1, "{name}: {} samples", decoded.len());
        let (likeness, delay) = likeness(&original, &decoded, 1_200);
        assert!(likeness > least, "{name}: {likeness} at {delay}");
        assert!(delay <= 8 || name == "16000_1.mp3", "{name}: {delay} samples late");
        let found = found(name.split('.').nth(1).unwrap(), &bytes).unwrap();
        assert_eq!((found.verdict(), found.dropped_bytes, found.concealed_ms), (Verdict::Speech, 0, 0), "{name}");
    }
}
