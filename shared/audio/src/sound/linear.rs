//! Uncompressed samples and those of G.711, as sound files hold them.

use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::mulaw;

pub(super) const MOST_CHANNELS: u16 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    U8,
    I8,
    I16,
    I24,
    I32,
    F32,
    F64,
    Mulaw,
    Alaw,
}

/// How each sample is stored in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Linear {
    pub coding: Coding,
    pub big_endian: bool,
    pub channels: u16,
    pub rate: u32,
}

impl Coding {
    pub fn integer(bits: u16) -> Option<Self> {
        match bits {
            8 => Some(Self::I8),
            16 => Some(Self::I16),
            24 => Some(Self::I24),
            32 => Some(Self::I32),
            _ => None,
        }
    }

    pub fn float(bits: u16) -> Option<Self> {
        match bits {
            32 => Some(Self::F32),
            64 => Some(Self::F64),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Mulaw | Self::Alaw => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::I8, &[a]) => f32::from(a.cast_signed()) / 128.0,
            (Self::Mulaw, &[a]) => f32::from(mulaw::expand(a)) / 32_768.0,
            (Self::Alaw, &[a]) => f32::from(expand_alaw(a)) / 32_768.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::I24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => 0.0,
        }
    }
}

impl Linear {
    /// The bytes of one sample of all channels.
    pub fn block(&self) -> usize {
        self.coding.bytes() * usize::from(self.channels)
    }

    fn sample(&self, bytes: &[u8]) -> f32 {
        if !self.big_endian {
            return self.coding.sample(bytes);
        }
        let mut turned = [0; 8];
        for (to, from) in turned.iter_mut().zip(bytes.iter().rev()) {
            *to = *from;
        }
        self.coding.sample(&turned[..bytes.len().min(8)])
    }
}

/// Decodes G.711 A-law, in which every other bit is sent inverted.
fn expand_alaw(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (exponent, mantissa) = ((bits >> 4) & 7, i16::from(bits & 0x0F) << 4);
    let size = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if bits & 0x80 == 0 { -size } else { size }
}

impl FrameDecoder for Linear {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(*self))
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        usize::from(self.channels.max(1))
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let blocks = frame.chunks_exact(self.block().max(1));
        let leftover = blocks.remainder().len();
        let size = self.coding.bytes();
        out.extend(blocks.flat_map(|block| block.chunks_exact(size)).map(|bytes| self.sample(bytes)));
        Decoded::Audio { leftover }
    }

    fn conceal(&mut self, _: &[u8], _: &mut Vec<f32>) {}
}
