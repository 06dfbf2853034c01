//! Frames of sound whose number an engine can hear.

use std::sync::LazyLock;
use std::time::Duration;

use engine::domain::{Codec, FrameFormat};
use simulator::{Seeded, Sound};

/// Samples of a frame, at 16 kHz.
const SAMPLES: usize = 1920;
/// What follows the number of a frame. No other sample of a frame is as loud.
const MARK: [i16; 4] = [21_001, -21_001, 17_003, -17_003];
/// Half a period of the tone that fills a frame, in samples.
const HALF_PERIOD: usize = 40;
const LOUDNESS: i16 = 9_000;
/// So many of a thousand frames come damaged from the device.
const DAMAGED: u64 = 1;
/// What only a mark reaches.
const LOUD_ENOUGH: f32 = 0.6;

pub const SOUND: Sound = Sound {
    format: FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: SAMPLES as u32 },
    frame: Duration::from_millis(120),
    payload,
};

/// A frame without its number.
static TONE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let tone = (0..SAMPLES - 8).map(|at| if (at / HALF_PERIOD).is_multiple_of(2) { LOUDNESS } else { -LOUDNESS });
    MARK.into_iter().chain(tone).flat_map(i16::to_le_bytes).collect()
});

fn payload(number: u64, _: &str, random: &Seeded) -> Vec<u8> {
    let mut frame = number.to_le_bytes().to_vec();
    frame.extend_from_slice(&TONE);
    if random.permille(DAMAGED) {
        // Half a sample is missing: the file is decoded in part.
        frame.pop();
    }
    frame
}

/// The numbers of the frames that begin in this sound.
pub fn hear(samples: &[f32]) -> Vec<u64> {
    let exact = |at: usize| (samples[at] * 32_768.0).round() as i16;
    let (mut heard, mut at) = (Vec::new(), 0);
    // Most samples are as loud as the tone: a plain loop passes over them fast, also where nothing is optimised.
    while at + 8 <= samples.len() {
        if samples[at + 4] > LOUD_ENOUGH && (0..4).all(|index| exact(at + 4 + index) == MARK[index]) {
            let digits = (0..4).rev().map(|index| u64::from(exact(at + index) as u16));
            heard.push(digits.fold(0, |number, digit| number << 16 | digit));
            at += 8;
        }
        at += 1;
    }
    heard
}

#[test]
fn frame_is_heard_wherever_it_begins() {
    let mut samples = vec![0.0; 777];
    for number in [0, 65_535, 70_000] {
        let frame = payload(number, "", &Seeded::new(1));
        samples.extend(frame.chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0));
    }
    assert_eq!(hear(&samples), [0, 65_535, 70_000]);
}
