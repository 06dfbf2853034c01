//! Uncompressed samples: signed 16-bit little-endian, or unsigned 8-bit. Stereo is mixed down.
//!
//! A frame may have any size up to the maximum; it is never refused. Bytes at its end that are no whole sample (of both
//! channels) are left over and count as dropped: a codec in the name that is not the file's shows in them.

use crate::decode::{Decoded, FrameDecoder};

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
    fn rate(&self) -> u32 {
        self.rate
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let leftover = if self.channels == 2 {
            let (whole, rest) = frame.as_chunks::<4>();
            out.extend(whole.iter().map(|&[a, b, c, d]| (from_16(a, b) + from_16(c, d)) / 2.0));
            rest.len()
        } else {
            let (whole, rest) = frame.as_chunks::<2>();
            out.extend(whole.iter().map(|&[a, b]| from_16(a, b)));
            rest.len()
        };
        Decoded::Audio { leftover }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}

impl FrameDecoder for Pcm8 {
    fn rate(&self) -> u32 {
        self.rate
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        Decoded::Audio { leftover: bytewise(frame, self.channels, out, from_8) }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}

/// Appends one sample a byte, or a byte of each channel mixed; says how many bytes are left over.
pub(crate) fn bytewise(frame: &[u8], channels: u8, out: &mut Vec<f32>, sample: impl Fn(u8) -> f32) -> usize {
    if channels == 2 {
        let (whole, rest) = frame.as_chunks::<2>();
        out.extend(whole.iter().map(|&[left, right]| (sample(left) + sample(right)) / 2.0));
        rest.len()
    } else {
        out.extend(frame.iter().map(|&byte| sample(byte)));
        0
    }
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
    fn sixteen_bits_reach_from_minus_one_to_almost_one() {
        let mut mono = Pcm16 { rate: 16_000, channels: 1 };
        let frame = [0, 0x80, 0, 0, 0xFF, 0x7F, 0, 0x40];
        assert_eq!(decoded(&mut mono, &frame), (vec![-1.0, 0.0, 32_767.0 / 32_768.0, 0.5], 0));
    }

    #[test]
    fn eight_bits_are_silent_at_128() {
        assert_eq!(decoded(&mut Pcm8 { rate: 8_000, channels: 1 }, &[0, 128, 192]), (vec![-1.0, 0.0, 0.5], 0));
    }

    #[test]
    fn stereo_is_mixed_down() {
        let mut stereo = Pcm16 { rate: 16_000, channels: 2 };
        assert_eq!(decoded(&mut stereo, &[0, 0x40, 0, 0, 0, 0x80, 0, 0x80]), (vec![0.25, -1.0], 0));
        assert_eq!(decoded(&mut Pcm8 { rate: 8_000, channels: 2 }, &[192, 128, 0, 0]), (vec![0.25, -1.0], 0));
    }

    #[test]
    fn a_broken_sample_at_the_end_is_left_over() {
        assert_eq!(decoded(&mut Pcm16 { rate: 16_000, channels: 1 }, &[0, 0x40, 9]), (vec![0.5], 1));
        assert_eq!(decoded(&mut Pcm16 { rate: 16_000, channels: 2 }, &[0, 0x40, 9]), (vec![], 3));
        assert_eq!(decoded(&mut Pcm8 { rate: 8_000, channels: 2 }, &[9]), (vec![], 1));
    }
}
