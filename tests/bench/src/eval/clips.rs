//! Recordings of real speech with their reference texts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::How;

/// The factor for 42 dB less: 1/126.
const QUIET: f64 = 0.007_943;
/// The bytes of a 10 ms frame.
const PCM16_FRAME: usize = 320;

pub struct Clip {
    pub id: String,
    pub text: String,
    pub seconds: f64,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/speech")
}

pub fn clips() -> Result<Vec<Clip>> {
    let path = folder().join("manifest.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let list: Vec<Value> = serde_json::from_str(&text)?;
    list.iter()
        .map(|clip| {
            let text = |key: &str| clip[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            Ok(Clip { id: text("id")?, text: text("text")?, seconds: clip["seconds"].as_f64().context("no seconds")? })
        })
        .collect()
}

impl Clip {
    /// The name and the bytes of the clip, as a device would have recorded it.
    pub fn recording(&self, how: How) -> Result<(String, Vec<u8>)> {
        match how {
            How::Pcm16 => self.read("pcm16", 160),
            How::Opus => self.read("opus", 160),
            How::OpusFs320 => self.read("opus_fs320", 320),
            How::Pcm8 => self.changed("pcm8", |sample| vec![((sample >> 8) + 128) as u8]),
            How::Quiet => self.changed("pcm16", |sample| {
                let quiet = (f64::from(sample) * QUIET).round() as i16;
                quiet.to_le_bytes().to_vec()
            }),
        }
    }

    fn name(&self, codec: &str, frame: usize) -> String {
        format!("audio_{}_{codec}_16000_1_fs{frame}_1748300000.bin", self.id)
    }

    fn read(&self, codec: &str, frame: usize) -> Result<(String, Vec<u8>)> {
        let name = self.name(codec, frame);
        let path = folder().join(&name);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok((name, bytes))
    }

    fn changed(&self, codec: &str, sample: impl Fn(i16) -> Vec<u8>) -> Result<(String, Vec<u8>)> {
        let (_, bytes) = self.read("pcm16", 160)?;
        let mut changed = Vec::with_capacity(bytes.len());
        for frame in bytes.chunks_exact(4 + PCM16_FRAME) {
            let (samples, _) = frame[4..].as_chunks::<2>();
            let samples: Vec<u8> = samples.iter().flat_map(|pair| sample(i16::from_le_bytes(*pair))).collect();
            changed.extend_from_slice(&(samples.len() as u32).to_le_bytes());
            changed.extend_from_slice(&samples);
        }
        Ok((self.name(codec, 160), changed))
    }
}
