//! Chooses the decoder for a recording of device frames.

use domain::{Codec, Format, FrameFormat};

use crate::aac::Aac;
use crate::error::AudioError;
use crate::frame_decoder::FrameDecoder;
use crate::lc3::Lc3;
use crate::mulaw::Mulaw;
use crate::opus::Opus;
use crate::pcm::{Pcm8, Pcm16};

/// Whether a recording of this format may have to be read with random access ([`Input::Ranges`](crate::Input)): only
/// the content of a sound file tells what it is. A file that needs it and is given as a stream ends with
/// [`AudioError::NeedsRanges`].
pub fn may_need_random_access(format: &Format) -> bool {
    matches!(format, Format::Sound(_))
}

pub(crate) fn decoder(frames: &FrameFormat) -> Result<Box<dyn FrameDecoder>, AudioError> {
    let FrameFormat { codec, rate, channels, .. } = *frames;
    match codec {
        Codec::Pcm16 => Ok(Box::new(Pcm16 { rate, channels })),
        Codec::Pcm8 => Ok(Box::new(Pcm8 { rate, channels })),
        // The codec's name implies the usual rate; the file's name states the real one.
        Codec::Mulaw8 | Codec::Mulaw16 => Ok(Box::new(Mulaw::new(rate, channels))),
        Codec::Opus | Codec::OpusFs320 => Ok(Box::new(Opus::new(frames)?)),
        Codec::Aac => Ok(Box::new(Aac::new(rate))),
        Codec::Lc3Fs1030 => Ok(Box::new(Lc3::new(rate, channels)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name is either refused on upload or can be decoded: a recording that is accepted and then cannot be decoded is
    /// lost.
    #[test]
    fn every_accepted_file_name_has_a_decoder() {
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
