//! One trait for every codec: a frame becomes samples of all its channels.

use domain::{Codec, Format, FrameFormat};

use crate::aac::Aac;
use crate::error::AudioError;
use crate::lc3::Lc3;
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
/// A codec that can hide a loss (Opus, LC3) does so in `conceal`; one that packs its own rate into its frames (AAC) answers
/// `rate` with what it really gives. What reads a sound file feeds the packets of its container to the same trait.
pub trait FrameDecoder: Send {
    /// Samples a second of what it appends. Asked before the first frame and after each.
    fn rate(&self) -> u32;

    /// Channels of what it appends. Asked after each frame; it only ever becomes greater.
    fn channels(&self) -> usize;

    /// Appends the frame's samples to `out`: within -1 and 1, those of all channels for one moment side by side.
    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded;

    /// Appends what stands in for a refused frame, as long as that frame was, so that later audio keeps its time.
    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>);

    /// Another one, as this one was before its first frame. `None`: there can be none, and nobody begins in the middle.
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        None
    }
}

/// Whether a recording of this format may have to be read from any place on ([`Input::Ranges`](crate::Input)): what is in
/// a sound file is told by its content. One that is given as a stream and cannot be read so is
/// [`AudioError::NeedsRanges`].
pub fn may_need_ranges(format: &Format) -> bool {
    matches!(format, Format::Sound(_))
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
        Codec::Lc3Fs1030 => Ok(Box::new(Lc3::new(rate, channels)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name is refused at the door or can be decoded: a recording that is accepted and then fails is lost.
    #[test]
    fn there_is_a_decoder_for_every_name_that_is_taken() {
        let mut taken = 0;
        for codec in Codec::ALL {
            for rate in [8_000, 11_025, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000] {
                for channels in [1, 2] {
                    let name = format!("a_x_{codec}_{rate}_{channels}_fs160_1748300000.bin");
                    let Ok(name) = domain::name::parse(&name) else { continue };
                    let Format::Frames(frames) = name.format else { panic!("no frames") };
                    assert!(decoder(&frames).is_ok(), "{frames:?}");
                    taken += 1;
                }
            }
        }
        assert_eq!(taken, 7 * 8 * 2 + 5 * 2);
    }
}
