//! Generates scenes: speech at different levels, disturbing sounds, and channels.

use std::f32::consts::TAU;
use std::fmt::Write;

const RATE: usize = 16_000;

/// A piece of real speech. The sonnet is cut at the pauses of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clip {
    Jfk,
    Ss0870,
    Ss0880,
    Ss0890,
    Sonnet(usize),
}

/// The times of pauses in the sonnet, in seconds.
const PAUSES: [f32; 5] = [3.0, 10.4, 18.0, 26.0, 34.0];

impl Clip {
    const ALL: [Self; 7] =
        [Self::Jfk, Self::Ss0870, Self::Ss0890, Self::Sonnet(0), Self::Sonnet(1), Self::Sonnet(2), Self::Sonnet(3)];

    fn samples(self) -> Vec<f32> {
        match self {
            Self::Jfk => read("jfk"),
            Self::Ss0870 => read("ss0870"),
            Self::Ss0880 => read("ss0880"),
            Self::Ss0890 => read("ss0890"),
            Self::Sonnet(part) => {
                let all = read("sonnet");
                let at = |index: usize| (PAUSES[index] * RATE as f32) as usize;
                all[quietest(&all, at(part))..quietest(&all, at(part + 1))].to_vec()
            }
        }
    }

    /// The samples, scaled so that the loudest one is at `db` relative to full scale.
    pub fn at(self, db: i32) -> Vec<f32> {
        let samples = self.samples();
        let peak = samples.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        let factor = 10f32.powf(db as f32 / 20.0) / peak;
        samples.iter().map(|sample| sample * factor).collect()
    }
}

/// The middle of the quietest fifth of a second within one second on either side.
fn quietest(samples: &[f32], around: usize) -> usize {
    let power = |from: usize| samples[from..from + RATE / 5].iter().map(|sample| sample * sample).sum::<f32>();
    let starts = (around.saturating_sub(RATE)..(around + RATE).min(samples.len() - RATE / 5)).step_by(RATE / 50);
    starts.min_by(|one, other| power(*one).total_cmp(&power(*other))).unwrap() + RATE / 10
}

fn read(id: &str) -> Vec<f32> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech");
    let bytes = std::fs::read(format!("{folder}/audio_{id}_pcm16_16000_1_fs160_1748300000.bin")).unwrap();
    let (mut rest, mut samples) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        samples.extend(frame.as_chunks().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_768.0));
        rest = after;
    }
    samples
}

/// Several clips, 83 s in total.
pub fn minute_of_speech(db: i32) -> Vec<f32> {
    let all: Vec<f32> = ["sonnet", "jfk", "ss0870", "ss0890", "ss0880"].iter().flat_map(|id| read(id)).collect();
    let peak = all.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
    all.iter().map(|sample| sample * 10f32.powf(db as f32 / 20.0) / peak).collect()
}

/// Adds a burst of noise with the envelope of a Hann window.
pub fn add_burst(samples: &mut [f32], at_s: f32, seconds: f32, peak: f32) {
    let mut random = Random(7);
    let (from, length) = ((at_s * RATE as f32) as usize, (seconds * RATE as f32) as usize);
    for (at, sample) in samples[from..from + length].iter_mut().enumerate() {
        *sample += peak * hann(at, length) * random.signed();
    }
}

fn hann(at: usize, length: usize) -> f32 {
    0.5 - 0.5 * (TAU * at as f32 / length as f32).cos()
}

/// A voice in two channels: shifted by a quarter of a wave either way, or covered by louder sound in some of the channels,
/// their sum and their difference.
pub fn covered_voice(voice: &[f32]) -> Vec<(&'static str, [Vec<f32>; 2])> {
    let mut random = Random(11);
    let noise: Vec<f32> = voice.iter().map(|_| 0.5 * random.signed()).collect();
    let sum = |one: &[f32], other: &[f32], by: f32| -> Vec<f32> {
        one.iter().zip(other).map(|(one, other)| one + by * other).collect()
    };
    let tone: Vec<f32> = (0..voice.len()).map(|at| 0.02 * (TAU * 1_000.0 * at as f32 / RATE as f32).sin()).collect();
    let flipped = voice
        .iter()
        .enumerate()
        .map(|(at, sample)| if (at / RATE).is_multiple_of(2) { *sample } else { -sample })
        .collect();
    let forward = phase_shifted(voice);
    let back: Vec<f32> = forward.iter().map(|sample| -sample).collect();
    vec![
        ("a quarter of a wave before", [voice.to_vec(), forward]),
        ("a quarter of a wave behind", [voice.to_vec(), back]),
        ("in the difference, under noise in both", [sum(&noise, voice, 1.0), sum(&noise, voice, -1.0)]),
        ("in the sum, beside noise in the difference", [sum(voice, &noise, 1.0), sum(voice, &noise, -1.0)]),
        ("in the right one, beside noise in the left one", [noise.clone(), voice.to_vec()]),
        ("in both, with noise in one of them", [voice.to_vec(), sum(voice, &noise, 0.03)]),
        ("in both, with a tone in one of them", [voice.to_vec(), sum(voice, &tone, 1.0)]),
        ("in both, one of them 300 ms late", [voice.to_vec(), [vec![0.0; 4_800], voice.to_vec()].concat()]),
        ("in both, one of them inverted every other second", [voice.to_vec(), flipped]),
    ]
}

/// Shifts the phase by a quarter of a wave: a Hilbert transform with weights of 16 ms on either side.
fn phase_shifted(samples: &[f32]) -> Vec<f32> {
    const REACH: usize = 255;
    let at = |index: Option<usize>| index.and_then(|index| samples.get(index)).copied().unwrap_or(0.0);
    let weight = |away: usize| 2.0 / (std::f32::consts::PI * away as f32);
    let one = |index: usize| -> f32 {
        let pair = |away: usize| at(index.checked_sub(away)) - at(Some(index + away));
        (1..=REACH).step_by(2).map(|away| weight(away) * pair(away)).sum()
    };
    (0..samples.len()).map(one).collect()
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn of(seed: u64) -> Self {
        let mut random = Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.unit();
        }
        random
    }

    fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 24) as f32
    }

    fn signed(&mut self) -> f32 {
        2.0 * self.unit() - 1.0
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[((self.unit() * all.len() as f32) as usize).min(all.len() - 1)]
    }
}

/// White noise, pink noise, or music (a chord every second).
pub fn long_noise(kind: &str, seconds: f32, peak: f32) -> Vec<f32> {
    let (mut random, mut octaves) = (Random(7), [0.0; 16]);
    let sample = |at: usize| match kind {
        "white" => random.signed(),
        "pink" => {
            octaves[((at + 1).trailing_zeros() as usize).min(15)] = random.signed();
            octaves.iter().sum::<f32>()
        }
        _ => {
            let (struck, base) = (at % RATE, [130.8, 110.0, 87.3, 98.0][at / RATE % 4]);
            let harmonic = |times: f32| (TAU * base * times * struck as f32 / RATE as f32).sin();
            [1.0, 2.0, 2.5, 3.0].map(harmonic).iter().sum::<f32>() * (-(struck as f32) / RATE as f32).exp()
        }
    };
    let noise: Vec<f32> = (0..(seconds * RATE as f32) as usize).map(sample).collect();
    let loudest = noise.iter().fold(0.0f32, |loudest, sample| loudest.max(sample.abs()));
    noise.iter().map(|sample| sample * peak / loudest).collect()
}

pub struct Scene {
    /// The clips with their levels, in order.
    pub clips: Vec<(Clip, i32)>,
    pub channels: Vec<Vec<f32>>,
    /// A description of the scene for the output of a failed test.
    pub description: String,
}

const LEVELS: [i32; 5] = [-48, -42, -36, -24, -10];

/// Each n-th scene has up to minutes of noise before somebody speaks.
const LONG_NOISE_EVERY: u64 = 4;

impl Scene {
    /// Creates a scene of one or two clips, whose levels may differ by 38 dB. Disturbing sounds are before, between and after
    /// the clips, and sometimes in a pause of a clip. A steady sound is at least 15 dB below the quieter clip. The scene has
    /// one or two channels.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::of(seed);
        let mut scene = Self { clips: Vec::new(), channels: Vec::new(), description: String::new() };
        let count = random.one_of(&[1, 2, 2]);
        // The noise has its own random numbers, so that it does not change the rest of the scene.
        let mut of_noise = Random::of(seed + 1_000_000);
        let noisy = (seed.is_multiple_of(LONG_NOISE_EVERY)).then(|| of_noise.one_of(&[0, count - 1]));
        // Samples and their speaker: 0 for the first, 1 for the second, none for other sounds.
        let mut parts: Vec<(Vec<f32>, Option<usize>)> = Vec::new();
        for speaker in 0..count {
            parts.push((scene.sound_with_pauses(&mut random), None));
            if noisy == Some(speaker) {
                parts.push((scene.long_noise(&mut of_noise), None));
            }
            let (clip, db) = (random.one_of(&Clip::ALL), random.one_of(&LEVELS));
            let _ = write!(scene.description, "{clip:?} at {db} dB, ");
            scene.clips.push((clip, db));
            let samples = clip.at(db);
            let half = samples.len() / 2;
            let middle = if random.one_of(&[true, false, false]) { quietest(&samples, half) } else { 0 };
            if middle > 0 {
                scene.description.push_str("within it ");
                parts.push((samples[..middle].to_vec(), Some(speaker)));
                parts.push((scene.sound(&mut random), None));
            }
            parts.push((samples[middle..].to_vec(), Some(speaker)));
        }
        parts.push((scene.sound_with_pauses(&mut random), None));
        scene.put_into_channels(&parts, &mut random);
        scene
    }

    /// A disturbing sound with a pause before and after it.
    fn sound_with_pauses(&mut self, random: &mut Random) -> Vec<f32> {
        let pause = (random.between(0.05, 1.5) * RATE as f32) as usize;
        [vec![0.0; pause], self.sound(random), vec![0.0; pause]].concat()
    }

    /// Noise that is longer than the memory of detectors, with a pause after it.
    fn long_noise(&mut self, random: &mut Random) -> Vec<f32> {
        let (seconds, peak) = (random.between(30.0, 150.0), random.one_of(&[0.9, 0.25]));
        let (kind, pause) = (random.one_of(&["white", "pink", "music"]), random.between(0.05, 0.5));
        let mut noise = long_noise(kind, seconds, peak);
        noise.resize(noise.len() + (pause * RATE as f32) as usize, 0.0);
        let _ = write!(self.description, "long {kind} noise of {seconds:.0} s at {peak}, ");
        noise
    }

    /// A disturbing sound of random kind and level.
    fn sound(&mut self, random: &mut Random) -> Vec<f32> {
        let kind = random.one_of(&["nothing", "burst", "tone", "silence", "noise", "clicks", "music"]);
        let (peak, seconds) = (random.one_of(&[0.9, 0.25, 0.05]), random.between(0.3, 4.0));
        let length = (seconds * RATE as f32) as usize;
        let hertz = random.between(100.0, 3_000.0);
        let sine = |at: usize, hertz: f32| (TAU * hertz * at as f32 / RATE as f32).sin();
        let sound: Vec<f32> = match kind {
            "burst" => (0..length).map(|at| peak * hann(at, length) * random.signed()).collect(),
            "tone" => (0..length).map(|at| peak * sine(at, hertz)).collect(),
            "silence" => vec![0.0; 5 * length],
            "noise" => (0..3 * length).map(|_| peak * random.signed()).collect(),
            "clicks" => (0..length).map(|at| if at % 6_000 < 40 { peak } else { 0.0 }).collect(),
            "music" => (0..2 * length)
                .map(|at| {
                    let fades = (-(at as f32 / RATE as f32 % 0.5) * 4.0).exp();
                    0.3 * peak * fades * (sine(at, hertz) + sine(at, 1.26 * hertz) + sine(at, 1.5 * hertz))
                })
                .collect(),
            _ => Vec::new(),
        };
        let _ = write!(self.description, "{kind} of {:.1} s at {peak}, ", sound.len() as f32 / RATE as f32);
        sound
    }

    fn put_into_channels(&mut self, parts: &[(Vec<f32>, Option<usize>)], random: &mut Random) {
        let kinds =
            ["mono", "mono", "dead", "hissing", "inverted", "nearly inverted", "late", "apart", "inverted under hum"];
        let kind = random.one_of(&kinds);
        let gain = random.one_of(&[-0.97, -0.7, -0.4]);
        let late = (random.between(0.0002, 0.012) * RATE as f32) as usize;
        let quietest = self.clips.iter().map(|(_, db)| *db).min().unwrap_or(0);
        // The average of speech is a tenth of its peak. The steady sound is at least 15 dB below that average.
        let below =
            10f32.powf(quietest as f32 / 20.0) * 0.1 * 10f32.powf(-15.0 / 20.0) * random.one_of(&[1.0, 0.3, 0.0]);
        let hum = random.one_of(&[true, false]);
        let _ = write!(
            self.description,
            "{kind}, {gain} or {late} samples, {below:.5} of {}",
            if hum { "hum" } else { "hiss" }
        );
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (samples, speaker) in parts {
            let by_right = |sample: f32| match kind {
                "inverted" | "inverted under hum" => -sample,
                "nearly inverted" => gain * sample,
                "dead" | "hissing" => 0.0,
                _ => sample,
            };
            let is_apart = kind == "apart";
            left.extend(samples.iter().map(|s| if is_apart && *speaker == Some(1) { 0.0 } else { *s }));
            right.extend(samples.iter().map(|s| if is_apart && *speaker == Some(0) { 0.0 } else { by_right(*s) }));
        }
        if kind == "late" {
            right.splice(0..0, vec![0.0; late]);
            right.truncate(left.len());
        }
        let hissing = if kind == "hissing" { 0.0004 } else { 0.0 };
        for at in 0..left.len() {
            let steady = if hum {
                1.4 * below * (TAU * 100.0 * at as f32 / RATE as f32).sin()
            } else {
                1.7 * below * random.signed()
            };
            left[at] += steady;
            right[at] += if kind == "dead" || kind == "hissing" { hissing * random.signed() } else { steady };
        }
        self.channels = if kind == "mono" { vec![left] } else { vec![left, right] };
    }
}
