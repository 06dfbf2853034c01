//! Samples in memory: the fixtures' speech, sounds that are not speech, and recordings made of both.

use std::f64::consts::TAU;
use std::path::Path;

use crate::recordings::Recording;

/// Samples in a millisecond.
pub const MS: usize = 16;
const SECOND: usize = 1000 * MS;
const RATE: f64 = SECOND as f64;

/// A clip of real speech, from its pcm16 recording.
pub fn clip(id: &str) -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/speech");
    let bytes = std::fs::read(folder.join(format!("audio_{id}_pcm16_16000_1_fs160_1748300000.bin"))).unwrap();
    let frames = bytes.chunks_exact(324);
    frames.flat_map(|frame| frame[4..].as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two))).collect()
}

/// The reference text of a clip.
pub fn text(id: &str) -> String {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/speech/manifest.json");
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let clip = list.as_array().unwrap().iter().find(|clip| clip["id"] == id).unwrap();
    clip["text"].as_str().unwrap().to_owned()
}

pub fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * MS]
}

/// Samples as a pcm16 recording of this device.
pub fn recorded(device: &str, at: i64, samples: &[i16]) -> Recording {
    let mut bytes = Vec::with_capacity(samples.len() * 2 + samples.len() / 40);
    for frame in samples.chunks(160) {
        bytes.extend_from_slice(&(2 * frame.len() as u32).to_le_bytes());
        bytes.extend(frame.iter().flat_map(|sample| sample.to_le_bytes()));
    }
    Recording::new(format!("audio_{device}_pcm16_16000_1_fs160_{at}.bin"), bytes)
}

fn sound(seconds: usize, mut value: impl FnMut(f64) -> f64) -> Vec<i16> {
    (0..seconds * SECOND).map(|n| (value(n as f64 / RATE).clamp(-1.0, 1.0) * 32_767.0) as i16).collect()
}

pub fn tone(seconds: usize, hertz: f64) -> Vec<i16> {
    sound(seconds, |t| 0.3 * (TAU * hertz * t).sin())
}

/// A click of 2 ms every 700 ms.
pub fn clicks(seconds: usize) -> Vec<i16> {
    sound(seconds, |t| if t % 0.7 < 0.002 { 0.8 } else { 0.0 })
}

/// White noise that swells and fades every three seconds.
pub fn breathing(seconds: usize) -> Vec<i16> {
    let (mut noise, mut low) = (Noise(7), 0.0);
    sound(seconds, |t| {
        low += 0.2 * (noise.next() - low);
        0.06 * low * (TAU * t / 3.0).sin().max(0.0)
    })
}

/// A chord that changes every second, each note struck and fading, with its overtones.
pub fn music(seconds: usize) -> Vec<i16> {
    const CHORDS: [[f64; 3]; 4] =
        [[261.6, 329.6, 392.0], [220.0, 261.6, 329.6], [174.6, 220.0, 261.6], [196.0, 246.9, 293.7]];
    sound(seconds, |t| {
        let notes = CHORDS[t as usize % CHORDS.len()];
        let note = |hertz: f64| (1..=4).map(|n| (TAU * hertz * f64::from(n) * t).sin() / f64::from(n * n)).sum::<f64>();
        0.12 * (-1.5 * t.fract()).exp() * notes.into_iter().map(note).sum::<f64>()
    })
}

/// Noise with as much power in each octave, about as loud as someone speaking.
pub fn pink(seconds: usize) -> Vec<i16> {
    let (mut noise, mut rows) = (Noise(1), [0.0; 12]);
    let mut count = 0u32;
    sound(seconds, |_| {
        count = count.wrapping_add(1);
        let row = (count.trailing_zeros() as usize).min(rows.len() - 1);
        rows[row] = noise.next();
        0.05 * (rows.iter().sum::<f64>() + noise.next())
    })
}

/// A fixed sequence of pseudo-random numbers between -1 and 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// Shortens every silence to this length.
pub fn without_pauses(samples: &[i16], longest_ms: usize) -> Vec<i16> {
    let (mut kept, mut quiet) = (Vec::with_capacity(samples.len()), 0);
    for step in samples.chunks(10 * MS) {
        let power = step.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / step.len() as f64;
        quiet = if power.sqrt() < 300.0 { quiet + 10 } else { 0 };
        if quiet <= longest_ms {
            kept.extend_from_slice(step);
        }
    }
    kept
}
