//! Test support: noise that is the same in every run, files made from it, and the recorded clips.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use domain::Format;

use crate::detect::{Network, Region};
use crate::segment::{Span, speech_ms_in};

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

/// Pink noise of the given RMS, as loud in every octave as the sound of rooms and streets.
pub fn pink(count: usize, loudness: f32) -> Vec<f32> {
    // Each octave is noise that holds its value twice as long.
    let white = noise(2 * count + 16, 1.0);
    let mut octaves = [0.0f32; 16];
    let mut drawn = white.iter();
    let mut next = || drawn.next().copied().unwrap_or(0.0);
    let made = (1..=count).map(|at| {
        octaves[(at.trailing_zeros() as usize).min(15)] = next();
        octaves.iter().sum::<f32>() + next()
    });
    let made: Vec<f32> = made.collect();
    let rms = (made.iter().map(|sample| sample * sample).sum::<f32>() / count.max(1) as f32).sqrt();
    made.iter().map(|sample| (sample * loudness / rms).clamp(-1.0, 1.0)).collect()
}

pub fn quieter(samples: &[f32], db: f32) -> Vec<f32> {
    samples.iter().map(|sample| sample * 10f32.powf(db / 20.0)).collect()
}

/// How well two detectors agree about speech, by milliseconds: 1 if they always do (the F1 score).
pub fn f1(one: &[Region], other: &[Region]) -> f64 {
    let ms = |regions: &[Region]| regions.iter().map(|r| f64::from(r.end_ms - r.start_ms)).sum::<f64>();
    let spans = other.iter().map(|r| Span { start_ms: r.start_ms, end_ms: r.end_ms });
    let both: f64 = spans.map(|span| f64::from(speech_ms_in(one, span))).sum();
    2.0 * both / (ms(one) + ms(other)).max(1.0)
}

/// The real model, from the folder in which `make setup` puts it.
pub fn silero_model() -> &'static [u8] {
    static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let models = folder("AFTERWORD_MODELS")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("afterword/models")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/afterword/models")))
            .expect("AFTERWORD_MODELS or HOME is set");
        let path = models.join("silero/silero_vad_16k_sequence.onnx");
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `make setup` puts it there", path.display()))
    });
    &MODEL
}

pub fn network() -> Arc<Network> {
    static NETWORK: LazyLock<Arc<Network>> = LazyLock::new(|| Arc::new(Network::load(silero_model()).unwrap()));
    Arc::clone(&NETWORK)
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

/// A sound file with the clip `ss0880`.
pub fn sound(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/sounds/clip_{name}")).unwrap()
}

/// The clip as other programs write it.
pub fn format_file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/formats/{name}")).unwrap()
}

pub fn sound_format(extension: &str) -> Format {
    domain::name::parse(&format!("x.{extension}")).unwrap().format
}

pub fn all_samples(format: &Format, bytes: &[u8]) -> Vec<f32> {
    let mut cursor = io::Cursor::new(bytes);
    let mut samples = crate::samples::Samples::new(format, crate::Input::ranges(&mut cursor)).unwrap();
    let mut all = Vec::new();
    while let Some(piece) = samples.next_piece().unwrap() {
        let right = piece.right.unwrap_or(piece.left);
        all.extend(piece.left.iter().zip(right).map(|(left, right)| (left + right) / 2.0));
    }
    all
}

/// How similar two recordings are, 1 for identical ones: the correlation at the best delay of the second, up to `most`
/// samples.
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

/// Repeats the same bytes for ever, and counts them.
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
