//! G.711 µ-law: a byte holds sign, exponent and mantissa of a 14-bit sample.

use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::pcm::{bytewise, channels};

/// The bias that is added before coding, so that every exponent has the same form (G.711, scaled to 16 bits).
const BIAS: i16 = 0x84;

pub(crate) struct Mulaw {
    rate: u32,
    channels: u8,
    table: [f32; 256],
}

impl Mulaw {
    pub fn new(rate: u32, channels: u8) -> Self {
        let mut table = [0.0; 256];
        for (byte, sample) in (0..=u8::MAX).zip(&mut table) {
            *sample = f32::from(expand(byte)) / 32_768.0;
        }
        Self { rate, channels, table }
    }
}

/// Decodes a byte. All bits are sent inverted, so that silence is not a row of zeros.
pub(crate) fn expand(byte: u8) -> i16 {
    let bits = !byte;
    let (exponent, mantissa) = ((bits >> 4) & 7, i16::from(bits & 0x0F));
    let size = (((mantissa << 3) + BIAS) << exponent) - BIAS;
    if bits & 0x80 == 0 { size } else { -size }
}

impl FrameDecoder for Mulaw {
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
        Decoded::Audio { leftover: bytewise(frame, self.channels, out, |byte| self.table[usize::from(byte)]) }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_bytes_of_g711_have_their_specified_values() {
        for (byte, sample) in
            [(0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0x80, 32_124), (0x00, -32_124), (0xF0, 120)]
        {
            assert_eq!(expand(byte), sample, "{byte:#x}");
        }
    }

    #[test]
    fn louder_bytes_decode_to_louder_samples() {
        for byte in 0x80..0xFFu8 {
            assert!(expand(byte) > expand(byte + 1));
            assert_eq!(expand(byte), -expand(byte & 0x7F));
        }
    }

    #[test]
    fn both_channels_of_stereo_are_decoded() {
        let mut out = Vec::new();
        assert_eq!(Mulaw::new(8_000, 2).decode(&[0x80, 0x00, 0xFE], &mut out), Decoded::Audio { leftover: 1 });
        assert_eq!(out, [32_124.0 / 32_768.0, -32_124.0 / 32_768.0]);
    }
}
