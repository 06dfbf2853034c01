//! Frames of sound whose number an engine can hear, also after the first pass has changed their loudness.

use std::time::Duration;

use engine::domain::{Codec, FrameFormat};
use simulator::{Seeded, Sound};

/// Samples of a frame, at 16 kHz. A recording that is shorter is too short for speech.
const SAMPLES: usize = 4_000;
const LOUDNESS: i16 = 9_000;
/// What is as loud all the time is noise to the first pass: a frame is loud, then nearly quiet, and so on, as syllables are.
const QUIET: i16 = 20;
const LOUD_SAMPLES: usize = 1_320;
const SYLLABLE_SAMPLES: usize = 2_000;
/// A tone comes before the code: a segment may begin a little after the sound does.
const LEAD_SAMPLES: usize = 320;
/// The code begins with so many samples up and as many down. Nothing else in a frame lasts as long.
const MARK: usize = 24;
/// Half of a bit: up and down is 1, down and up is 0.
const HALF: usize = 8;
const NUMBER_BITS: u32 = 24;
const CHECK_BITS: u32 = 16;
/// What counts as up or down, of a full scale of 1.
const AUDIBLE: f32 = 0.03;
/// So many of a thousand frames come damaged from the device.
const DAMAGED: u64 = 1;

pub const SOUND: Sound = Sound {
    format: FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: SAMPLES as u32 },
    frame: Duration::from_millis(250),
    payload,
};

/// The number with its check, which no other sound has by chance.
fn code_of(number: u64) -> u64 {
    let check = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - CHECK_BITS);
    number << CHECK_BITS | check
}

/// A tone up to this sample.
fn fill(samples: &mut Vec<i16>, until: usize) {
    let mut sign = 1;
    while samples.len() < until {
        let loudness = if samples.len() % SYLLABLE_SAMPLES < LOUD_SAMPLES { LOUDNESS } else { QUIET };
        samples.extend(std::iter::repeat_n(sign * loudness, HALF));
        sign = -sign;
    }
    samples.truncate(until);
}

fn payload(number: u64, _: &str, random: &Seeded) -> Vec<u8> {
    assert!(number < 1 << NUMBER_BITS, "the code of a frame has {NUMBER_BITS} bits for its number");
    let mut samples = Vec::with_capacity(SAMPLES);
    fill(&mut samples, LEAD_SAMPLES);
    let mut push = |count: usize, sample: i16| samples.extend(std::iter::repeat_n(sample, count));
    push(MARK, LOUDNESS);
    push(MARK, -LOUDNESS);
    let code = code_of(number);
    for bit in (0..NUMBER_BITS + CHECK_BITS).rev() {
        let first = if code >> bit & 1 == 1 { LOUDNESS } else { -LOUDNESS };
        push(HALF, first);
        push(HALF, -first);
    }
    fill(&mut samples, SAMPLES - 4);
    let mut frame = number.to_le_bytes().to_vec();
    for sample in samples {
        frame.extend_from_slice(&sample.to_le_bytes());
    }
    if random.permille(DAMAGED) {
        // Half a sample is missing: the file is decoded in part.
        frame.pop();
    }
    frame
}

/// The numbers of the frames that begin in this sound.
pub fn hear(samples: &[f32]) -> Vec<u64> {
    let (mut heard, mut up, mut at) = (Vec::new(), 0, 0);
    // A plain loop: it is fast, also where nothing is optimised.
    while at < samples.len() {
        let sample = samples[at];
        if sample > AUDIBLE {
            up += 1;
        } else {
            let is_mark = up > MARK - 4 && sample < -AUDIBLE;
            heard.extend(is_mark.then(|| number_at(samples, at + MARK)).flatten());
            up = 0;
        }
        at += 1;
    }
    heard
}

fn number_at(samples: &[f32], first: usize) -> Option<u64> {
    let bits = (NUMBER_BITS + CHECK_BITS) as usize;
    let code = samples.get(first..first + bits * 2 * HALF)?;
    let mut value = 0;
    for bit in code.chunks_exact(2 * HALF) {
        let (one, other) = bit.split_at(HALF);
        value = value << 1 | u64::from(one.iter().sum::<f32>() > other.iter().sum::<f32>());
    }
    let number = value >> CHECK_BITS;
    (code_of(number) == value).then_some(number)
}

#[test]
fn frame_is_heard_wherever_it_begins_and_however_loud_it_is() {
    let mut samples = vec![0.0; 777];
    for number in [0, 65_535, 70_000] {
        let frame = payload(number, "", &Seeded::new(1));
        samples.extend(frame.chunks(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 50_000.0 + 0.01));
    }
    assert_eq!(hear(&samples), [0, 65_535, 70_000]);
    assert_eq!(hear(&samples[777 + 500..]), [65_535, 70_000], "half a frame is not heard");
}
