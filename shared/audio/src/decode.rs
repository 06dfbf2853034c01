//! One trait for every codec: a frame becomes mono samples.

use domain::{Codec, Format, FrameFormat, name::SoundFile};

use crate::aac::Aac;
use crate::error::AudioError;
use crate::mulaw::Mulaw;
use crate::opus::Opus;
use crate::pcm::{Pcm8, Pcm16};

/// What a decoder made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The samples were appended. `leftover` bytes at the frame's end are no whole sample.
    Audio { leftover: usize },
    /// The samples were appended, but the frame does not look like the others of its recording: it is heard, and counts
    /// as concealed, so that a file of such frames is never called silent.
    Doubted,
    /// The frame is not one of this codec; nothing was appended.
    Refused,
}

/// The decoder of one recording. It keeps its state from frame to frame, and its caller keeps the buffers.
///
/// A codec that can hide a loss (Opus) does so in `conceal`; one that packs its own rate into its frames (AAC) answers
/// `rate` with what it really gives. What reads a sound file feeds the packets of its container to the same trait.
pub trait FrameDecoder: Send {
    /// Samples a second of what it appends. Asked before the first frame and after each.
    fn rate(&self) -> u32;

    /// Appends the frame's samples to `out`: mono, within -1 and 1.
    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded;

    /// Appends what stands in for a refused frame, as long as that frame was, so that later audio keeps its time.
    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>);
}

/// Whether this build can decode the format.
pub fn supported(format: &Format) -> bool {
    match format {
        Format::Frames(frames) => decoder(frames).is_ok(),
        Format::Sound(_) => true,
    }
}

/// Whether a recording of this format has to be read from any place on ([`Input::Ranges`](crate::Input)).
pub fn needs_ranges(format: &Format) -> bool {
    *format == Format::Sound(SoundFile::M4a)
}

pub(crate) fn decoder(frames: &FrameFormat) -> Result<Box<dyn FrameDecoder>, AudioError> {
    let FrameFormat { codec, rate, channels, .. } = *frames;
    match codec {
        Codec::Pcm16 => Ok(Box::new(Pcm16 { rate, channels })),
        Codec::Pcm8 => Ok(Box::new(Pcm8 { rate, channels })),
        // The codec's name says the usual rate, the file's name the real one.
        Codec::Mulaw8 | Codec::Mulaw16 => Ok(Box::new(Mulaw::new(rate, channels))),
        Codec::Opus | Codec::OpusFs320 => Ok(Box::new(Opus::new(frames)?)),
        Codec::Aac => Ok(Box::new(Aac::new(rate))),
        Codec::Lc3Fs1030 => Err(AudioError::Unsupported(Format::Frames(*frames))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_decoded_is_told_by_the_format() {
        for (name, expected) in [
            ("a_x_pcm16_16000_1_fs160_1748300000.bin", true),
            ("a_x_pcm8_8000_2_fs160_1748300000.bin", true),
            ("a_x_mulaw8_8000_1_fs160_1748300000.bin", true),
            ("a_x_mulaw16_16000_1_fs160_1748300000.bin", true),
            ("a_x_opus_16000_1_fs160_1748300000.bin", true),
            ("a_x_aac_16000_1_fs1024_1748300000.bin", true),
            ("a_x_lc3_fs1030_16000_1_fs160_1748300000.bin", false),
            ("a_1748300000.wav", true),
        ] {
            assert_eq!(supported(&domain::name::parse(name).unwrap().format), expected, "{name}");
        }
    }
}
