//! Uncompressed samples: signed 16-bit little-endian, or unsigned 8-bit. Channels are interleaved.
//!
//! A frame may have any size up to the maximum and is never refused. Bytes at its end that do not make a whole sample
//! of all channels are left over and count as dropped, which reveals a wrong codec in the file's name.

use crate::frame_decoder::{Decoded, FrameDecoder};

pub(crate) struct Pcm16 {
    pub rate: u32,
    pub channels: u8,
}

pub(crate) struct Pcm8 {
    pub rate: u32,
    pub channels: u8,
}

fn from_16(low: u8, high: u8) -> f32 {
    f32::from(i16::from_le_bytes([low, high])) / 32_768.0
}

fn from_8(byte: u8) -> f32 {
    (f32::from(byte) - 128.0) / 128.0
}

impl FrameDecoder for Pcm16 {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self { ..*self }))
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        channels(self.channels)
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let leftover = frame.len() % (2 * channels(self.channels));
        let (whole, _) = frame[..frame.len() - leftover].as_chunks::<2>();
        out.extend(whole.iter().map(|&[low, high]| from_16(low, high)));
        Decoded::Audio { leftover }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}

impl FrameDecoder for Pcm8 {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self { ..*self }))
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        channels(self.channels)
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        Decoded::Audio { leftover: bytewise(frame, self.channels, out, from_8) }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}

/// The number of channels as decoders count them; a name may say 1 or 2.
pub(crate) fn channels(named: u8) -> usize {
    usize::from(named.clamp(1, 2))
}

/// Appends one sample for each byte. Returns how many bytes at the end do not make one sample of each channel.
pub(crate) fn bytewise(frame: &[u8], named: u8, out: &mut Vec<f32>, sample: impl Fn(u8) -> f32) -> usize {
    let leftover = frame.len() % channels(named);
    out.extend(frame[..frame.len() - leftover].iter().map(|&byte| sample(byte)));
    leftover
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(decoder: &mut dyn FrameDecoder, frame: &[u8]) -> (Vec<f32>, usize) {
        let mut out = Vec::new();
        match decoder.decode(frame, &mut out) {
            Decoded::Audio { leftover } => (out, leftover),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sixteen_bit_samples_range_from_minus_one_to_almost_one() {
        let mut mono = Pcm16 { rate: 16_000, channels: 1 };
        let frame = [0, 0x80, 0, 0, 0xFF, 0x7F, 0, 0x40];
        assert_eq!(decoded(&mut mono, &frame), (vec![-1.0, 0.0, 32_767.0 / 32_768.0, 0.5], 0));
    }

    #[test]
    fn eight_bit_samples_are_silent_at_128() {
        assert_eq!(decoded(&mut Pcm8 { rate: 8_000, channels: 1 }, &[0, 128, 192]), (vec![-1.0, 0.0, 0.5], 0));
    }

    #[test]
    fn both_channels_of_stereo_are_decoded() {
        let mut stereo = Pcm16 { rate: 16_000, channels: 2 };
        assert_eq!(decoded(&mut stereo, &[0, 0x40, 0, 0, 0, 0x80, 0, 0x80]), (vec![0.5, 0.0, -1.0, -1.0], 0));
        let mut stereo = Pcm8 { rate: 8_000, channels: 2 };
        assert_eq!(decoded(&mut stereo, &[192, 128, 0, 0]), (vec![0.5, 0.0, -1.0, -1.0], 0));
        assert_eq!(stereo.channels(), 2);
    }

    #[test]
    fn incomplete_sample_at_end_is_left_over() {
        assert_eq!(decoded(&mut Pcm16 { rate: 16_000, channels: 1 }, &[0, 0x40, 9]), (vec![0.5], 1));
        assert_eq!(decoded(&mut Pcm16 { rate: 16_000, channels: 2 }, &[0, 0x40, 9]), (vec![], 3));
        assert_eq!(decoded(&mut Pcm8 { rate: 8_000, channels: 2 }, &[9]), (vec![], 1));
    }
}
