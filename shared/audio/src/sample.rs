//! The built-in sample clip: three seconds of speech, by which a delivery checks that an engine answers at all.

use domain::{Codec, FrameFormat};

use crate::samples::Samples;

/// The clip as a device recording. Its origin is described in `assets/LICENCE.md`.
pub const SAMPLE: &[u8] = include_bytes!("../assets/sample.bin");
pub const SAMPLE_FORMAT: FrameFormat =
    FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: 160 };

/// The clip, decoded: mono, 16 kHz.
pub fn sample_samples() -> Vec<f32> {
    let mut bytes = SAMPLE;
    let mut all = Vec::with_capacity(SAMPLE.len() / 2);
    // Neither can fail, which a test proves: the format is supported, and bytes in memory can be read.
    if let Ok(mut samples) = Samples::new(&domain::Format::Frames(SAMPLE_FORMAT), &mut bytes) {
        while let Ok(Some(piece)) = samples.next_piece() {
            all.extend_from_slice(piece.left);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_clip_is_complete_and_its_name_states_its_format() {
        assert_eq!(sample_samples().len(), 47_840);
        let name = domain::name::parse("audio_sample_pcm16_16000_1_fs160_1748300000.bin").unwrap();
        assert_eq!(name.format, domain::Format::Frames(SAMPLE_FORMAT));
    }
}
