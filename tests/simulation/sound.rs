//! Frames of sound whose number an engine can hear.

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

pub const SOUND: Sound = Sound {
    format: FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: SAMPLES as u32 },
    frame: Duration::from_millis(120),
    payload,
};

fn payload(number: u64, _: &str, _: &Seeded) -> Vec<u8> {
    let tone = (0..SAMPLES - 8).map(|at| if at / HALF_PERIOD % 2 == 0 { LOUDNESS } else { -LOUDNESS });
    let sound = MARK.into_iter().chain(tone).flat_map(i16::to_le_bytes);
    number.to_le_bytes().into_iter().chain(sound).collect()
}

/// The numbers of the frames that begin in this sound.
pub fn hear(samples: &[f32]) -> Vec<u64> {
    let exact = |sample: &f32| (sample * 32_768.0).round() as i16;
    let mut heard = Vec::new();
    for window in samples.windows(8) {
        if exact(&window[4]) == MARK[0] && window[4..].iter().map(exact).eq(MARK) {
            let digits = window[..4].iter().rev().map(|sample| u64::from(exact(sample) as u16));
            heard.push(digits.fold(0, |number, digit| number << 16 | digit));
        }
    }
    heard
}

#[test]
fn frame_is_heard_wherever_it_begins() {
    let mut samples = vec![0.0; 777];
    for number in [0, 65_535, 70_000] {
        let frame = payload(number, "", &Seeded::new(0));
        samples.extend(frame.chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0));
    }
    assert_eq!(hear(&samples), [0, 65_535, 70_000]);
}
