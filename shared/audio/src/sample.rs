//! The built-in sample clip: three seconds of speech, to try the service with and to prove that an engine is alive.

use domain::{Codec, FrameFormat};

use crate::samples::Samples;

/// The clip as a device recording. Where it comes from stands beside it, in `assets/LICENCE.md`.
pub const SAMPLE: &[u8] = include_bytes!("../assets/sample.bin");
/// `_<timestamp>.bin` makes it a file name.
pub const SAMPLE_NAME_STEM: &str = "audio_sample_pcm16_16000_1_fs160";
pub const SAMPLE_FORMAT: FrameFormat =
    FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: 160 };
/// What is said in it.
pub const SAMPLE_TEXT: &str = "he was not an ill disposed young man";

/// The clip, decoded: mono, 16 kHz.
pub fn sample_samples() -> Vec<f32> {
    let mut bytes = SAMPLE;
    let mut all = Vec::with_capacity(SAMPLE.len() / 2);
    // Neither can fail, which a test proves: the format is one of ours, and bytes in memory can be read.
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
    fn the_clip_is_whole_and_its_name_says_its_format() {
        assert_eq!(sample_samples().len(), 47_840);
        let name = domain::name::parse(&format!("{SAMPLE_NAME_STEM}_1748300000.bin")).unwrap();
        assert_eq!(name.format, domain::Format::Frames(SAMPLE_FORMAT));
    }
}
