//! What the tests here share: noise that is the same in every run, files made of it, and the recorded clips.

use std::io::{self, Read};

use domain::Format;

/// Uniform noise of the given peak, from a fixed seed.
pub fn noise(count: usize, peak: f32) -> Vec<f32> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 24) as f32
    };
    (0..count).map(|_| peak * (2.0 * next() - 1.0)).collect()
}

pub fn s16(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| ((sample * 32_768.0) as i16).to_le_bytes()).collect()
}

/// A frame file with frames of `size` bytes.
pub fn file(audio: &[u8], size: usize) -> Vec<u8> {
    let framed = |frame: &[u8]| [&u32::try_from(frame.len()).unwrap().to_le_bytes(), frame].concat();
    audio.chunks(size).flat_map(framed).collect()
}

/// `<codec>_<rate>_<channels>`
pub fn format(described: &str) -> Format {
    domain::name::parse(&format!("audio_x_{described}_fs160_1748300000.bin")).unwrap().format
}

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

pub fn fixture(described: &str) -> Vec<u8> {
    recording(&format!("{described}_16000_1_fs160"))
}

/// `<clip>_<codec>_<rate>_<channels>_fs<frame>`
pub fn recording(described: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/speech/audio_{described}_1748300000.bin")).unwrap()
}

pub fn fixture_samples(described: &str) -> Vec<f32> {
    recorded(&format!("{described}_16000_1_fs160"))
}

/// The samples of a recording that [`recording`] reads.
pub fn recorded(described: &str) -> Vec<f32> {
    let name = domain::name::parse(&format!("audio_{described}_1748300000.bin")).unwrap();
    all_samples(&name.format, &recording(described))
}

/// A sound file of the clip `ss0880`.
pub fn sound(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/sounds/clip_{name}")).unwrap()
}

pub fn sound_format(extension: &str) -> Format {
    domain::name::parse(&format!("x.{extension}")).unwrap().format
}

pub fn all_samples(format: &Format, bytes: &[u8]) -> Vec<f32> {
    let mut cursor = io::Cursor::new(bytes);
    let mut samples = crate::samples::Samples::new(format, crate::Input::ranges(&mut cursor)).unwrap();
    let mut all = Vec::new();
    while let Some(piece) = samples.next_piece().unwrap() {
        all.extend_from_slice(piece);
    }
    all
}

/// How alike two recordings are, 1 for the same: the correlation, at the delay of the second that suits best, within
/// `most` samples.
pub fn likeness(one: &[f32], other: &[f32], most: usize) -> (f32, usize) {
    let one = &one[12_000..36_000];
    let at = |delay: usize| {
        let other = &other[12_000 + delay..];
        let (mut product, mut a, mut b) = (0.0f64, 0.0f64, 0.0f64);
        for (one, other) in one.iter().zip(other) {
            product += f64::from(one * other);
            a += f64::from(one * one);
            b += f64::from(other * other);
        }
        (product / (a * b).sqrt().max(1e-9)) as f32
    };
    (0..=most).map(|delay| (at(delay), delay)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

/// The same bytes again and again, counted.
pub struct Endless {
    bytes: Vec<u8>,
    pub given: usize,
}

impl Endless {
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), given: 0 }
    }
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let from = &self.bytes[self.given % self.bytes.len()..];
        let size = from.len().min(into.len());
        into[..size].copy_from_slice(&from[..size]);
        self.given += size;
        Ok(size)
    }
}
