//! LC3 as wearables send it: frames of 10 ms in 30 bytes, one for each channel; a frame of the file may hold several.
//!
//! LC3 has no signature. Bytes that are not LC3 show only by values that no encoder writes, and the decoder conceals
//! such a frame without reporting it. So each frame is first read with the library's own reader; if that fails, the
//! frame counts as lost.

use lc3_codec::common::complex::Complex;
use lc3_codec::common::config::{FrameDuration, Lc3Config, SamplingFrequency};
use lc3_codec::common::constants::MAX_LEN_SPECTRAL;
use lc3_codec::decoder::arithmetic_codec;
use lc3_codec::decoder::buffer_reader::BufferReader;
use lc3_codec::decoder::lc3_decoder::Lc3Decoder;
use lc3_codec::decoder::side_info_reader;
use self_cell::{MutBorrow, self_cell};

use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};

/// The bytes of one channel's frame. The library's reader checks its bounds only for frames that hold at least the
/// fixed part, so a frame of another length is refused before it is read.
const FRAME_BYTES: usize = 30;
const BITS: usize = 16;
/// An empty frame, which the library takes for a lost one: it continues with the sound before it.
const LOST: &[u8] = &[];

type Memory = MutBorrow<(Box<[f32]>, Box<[Complex]>)>;

self_cell!(
    /// The library's decoder together with the memory that it borrows.
    struct Running {
        owner: Memory,
        #[not_covariant]
        dependent: Lc3Decoder,
    }
);

pub(crate) struct Lc3 {
    config: Lc3Config,
    channels: usize,
    running: Running,
    one: Box<[i16]>,
}

impl Lc3 {
    pub fn new(rate: u32, channels: u8) -> Result<Self, AudioError> {
        let frequency = frequency(rate).ok_or(AudioError::NoDecoder("lc3"))?;
        let (duration, channels) = (FrameDuration::TenMs, usize::from(channels.clamp(1, 2)));
        let config = Lc3Config::new(frequency, duration);
        let (reals, complexes) = Lc3Decoder::calc_working_buffer_lengths(channels, duration, frequency);
        let memory = (vec![0.0; reals].into_boxed_slice(), vec![Complex::default(); complexes].into_boxed_slice());
        let running = Running::new(MutBorrow::new(memory), |memory| {
            let (reals, complexes) = memory.borrow_mut();
            Lc3Decoder::new(channels, duration, frequency, reals, complexes)
        });
        let one = vec![0; config.nf].into_boxed_slice();
        Ok(Self { config, channels, running, one })
    }

    /// Whether the library can decode a frame.
    fn is_readable(&self, frame: &[u8]) -> bool {
        let Lc3Config { fs_ind, ne, n_ms, .. } = self.config;
        let (mut reader, mut lines) = (BufferReader::new(), [0; MAX_LEN_SPECTRAL]);
        side_info_reader::read(frame, &mut reader, fs_ind, ne).is_ok_and(|side| {
            arithmetic_codec::decode(frame, &mut reader, fs_ind, ne, &side, &n_ms, &mut lines).is_ok()
        })
    }

    /// Appends 10 ms from one frame for each channel; a frame that cannot be read is concealed.
    fn decode_ten_ms<'f>(&mut self, frames: impl Iterator<Item = &'f [u8]>, out: &mut Vec<f32>) {
        let Self { running, one, channels, .. } = self;
        let from = out.len();
        out.resize(from + one.len() * *channels, 0.0);
        for (channel, frame) in frames.enumerate().take(*channels) {
            // This fails only for another number of bits.
            let done = running.with_dependent_mut(|_, decoder| decoder.decode_frame(BITS, channel, frame, one));
            if done.is_ok() {
                let places = out[from + channel..].iter_mut().step_by(*channels);
                places.zip(&**one).for_each(|(place, sample)| *place = f32::from(*sample) / 32_768.0);
            }
        }
    }
}

/// The rates that LC3 is specified for and at which its frames last exactly 10 ms. At 44.1 kHz they last longer.
fn frequency(rate: u32) -> Option<SamplingFrequency> {
    match rate {
        8_000 => Some(SamplingFrequency::Hz8000),
        16_000 => Some(SamplingFrequency::Hz16000),
        24_000 => Some(SamplingFrequency::Hz24000),
        32_000 => Some(SamplingFrequency::Hz32000),
        48_000 => Some(SamplingFrequency::Hz48000),
        _ => None,
    }
}

impl FrameDecoder for Lc3 {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        let channels = u8::try_from(self.channels).ok()?;
        Some(Box::new(Self::new(self.rate(), channels).ok()?))
    }

    fn rate(&self) -> u32 {
        // At most 48,000, so this fits.
        self.config.fs as u32
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let size = FRAME_BYTES * self.channels;
        if frame.is_empty() || !frame.len().is_multiple_of(size) {
            return Decoded::Refused;
        }
        let (count, lost) = (frame.len() / FRAME_BYTES, |frame: &&[u8]| !self.is_readable(frame));
        let lost = frame.chunks(FRAME_BYTES).filter(lost).count();
        if lost == count {
            return Decoded::Refused;
        }
        for ten_ms in frame.chunks(size) {
            self.decode_ten_ms(ten_ms.chunks(FRAME_BYTES), out);
        }
        if lost == 0 { Decoded::Audio { leftover: 0 } } else { Decoded::Doubted }
    }

    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>) {
        for _ in 0..(frame.len() / (FRAME_BYTES * self.channels)).max(1) {
            self.decode_ten_ms(std::iter::repeat_n(LOST, self.channels), out);
        }
    }
}

#[cfg(test)]
mod tests;
