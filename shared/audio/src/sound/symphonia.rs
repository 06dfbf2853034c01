//! Puts the decoders of the `symphonia` crate behind the trait of all codecs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP2, CODEC_ID_MP3,
    CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Result;
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::codecs::{AacDecoder, AdpcmDecoder, AlacDecoder, FlacDecoder, MpaDecoder, VorbisDecoder};

use crate::channels::widened;
use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};

/// What is needed to create the decoder again, after a panic or for a restart in the middle.
#[derive(Clone)]
struct Recipe {
    params: AudioCodecParameters,
    /// The rate and the samples of a packet, as known before the first one.
    rate: u32,
    last: usize,
    /// The samples of a packet, which some decoders cannot tell from its bytes.
    lasts: u64,
}

/// A file whose decoder panics this often is given up: each panic costs a new decoder and a line in the log.
const MOST_PANICS: u32 = 16;

/// The error if the decoder refuses AAC parameters, which is most often a limitation and not damage.
pub(super) const AAC: AudioError = AudioError::Unreadable(
    "the AAC audio has more than two channels or is not of the LC profile, and cannot be decoded here; convert it to two \
     channels of AAC-LC, or to WAV, FLAC or MP3",
);

pub(crate) struct Symphonia {
    recipe: Recipe,
    panics: u32,
    decoder: Box<dyn AudioDecoder>,
    rate: u32,
    /// The samples of the last packet; before the first one, the usual number of the format.
    last: usize,
    /// The most channels that a packet had so far.
    channels: usize,
    interleaved: Vec<f32>,
}

impl Symphonia {
    /// `config` is an `AudioSpecificConfig`, which also states the rate.
    pub fn aac(config: &[u8], rate: u32) -> std::result::Result<Self, AudioError> {
        Ok(Self::new(CODEC_ID_AAC, Some(config), 1024).map_err(|_| AAC)?.at(rate))
    }

    /// The decoder learns the rate from the first frame.
    pub fn mp3(rate: u32, samples: usize) -> std::result::Result<Self, AudioError> {
        Ok(Self::new(CODEC_ID_MP3, None, samples)?.at(rate))
    }

    pub fn mp2(rate: u32, samples: usize) -> std::result::Result<Self, AudioError> {
        Ok(Self::new(CODEC_ID_MP2, None, samples)?.at(rate))
    }

    pub fn flac(stream_info: &[u8]) -> std::result::Result<Self, AudioError> {
        Self::new(CODEC_ID_FLAC, Some(stream_info), 4096)
    }

    /// The decoder reads the rate but does not report it before the first packet.
    pub fn vorbis(headers: &[u8], rate: u32) -> std::result::Result<Self, AudioError> {
        Ok(Self::new(CODEC_ID_VORBIS, Some(headers), 1024)?.at(rate))
    }

    /// `cookie` is the decoder's configuration from the container.
    pub fn alac(cookie: &[u8]) -> std::result::Result<Self, AudioError> {
        Self::new(CODEC_ID_ALAC, Some(cookie), 4096)
    }

    /// For blocks with this many samples, of one channel or two.
    pub fn adpcm(microsoft: bool, rate: u32, channels: u16, samples: u64) -> std::result::Result<Self, AudioError> {
        let mut params = AudioCodecParameters::new();
        params
            .for_codec(if microsoft { CODEC_ID_ADPCM_MS } else { CODEC_ID_ADPCM_IMA_WAV })
            .with_sample_rate(rate)
            .with_max_frames_per_packet(samples)
            .with_frames_per_block(samples)
            .with_channels(if channels == 1 { CHANNEL_LAYOUT_MONO } else { CHANNEL_LAYOUT_STEREO });
        let last = usize::try_from(samples).unwrap_or(0);
        Ok(Self::of(Recipe { params, rate, last, lasts: samples })?.at(rate))
    }

    fn new(codec: AudioCodecId, private: Option<&[u8]>, last: usize) -> std::result::Result<Self, AudioError> {
        let mut params = AudioCodecParameters::new();
        params.for_codec(codec);
        if let Some(private) = private {
            params.with_extra_data(private.into());
        }
        Self::of(Recipe { params, rate: 0, last, lasts: 0 })
    }

    fn at(mut self, rate: u32) -> Self {
        (self.rate, self.recipe.rate) = (rate, rate);
        self
    }

    fn of(recipe: Recipe) -> std::result::Result<Self, AudioError> {
        let decoder = make(&recipe)
            .ok_or(AudioError::Unreadable("the header of the audio is damaged, or of a kind that cannot be read"))?;
        let (rate, last) = (decoder.codec_params().sample_rate.unwrap_or(0), recipe.last);
        let recipe = Recipe { rate, ..recipe };
        Ok(Self { recipe, panics: 0, decoder, rate, last, channels: 1, interleaved: Vec::new() })
    }
}

fn make(recipe: &Recipe) -> Option<Box<dyn AudioDecoder>> {
    let (params, options) = (&recipe.params, AudioDecoderOptions::default());
    guarded(|| {
        Ok(match params.codec {
            CODEC_ID_AAC => Box::new(AacDecoder::try_new(params, &options)?) as Box<dyn AudioDecoder>,
            CODEC_ID_ALAC => Box::new(AlacDecoder::try_new(params, &options)?),
            CODEC_ID_ADPCM_MS | CODEC_ID_ADPCM_IMA_WAV => Box::new(AdpcmDecoder::try_new(params, &options)?),
            CODEC_ID_FLAC => Box::new(FlacDecoder::try_new(params, &options)?),
            CODEC_ID_VORBIS => Box::new(VorbisDecoder::try_new(params, &options)?),
            _ => Box::new(MpaDecoder::try_new(params, &options)?),
        })
    })?
    .ok()
}

/// Runs a decoder on bytes that anybody may have chosen. If it panics on an assertion of its own, it has refused them,
/// and the process continues.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Option<Result<T>> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl FrameDecoder for Symphonia {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        let (recipe, decoder) = (self.recipe.clone(), make(&self.recipe)?);
        let (rate, last) = (recipe.rate, recipe.last);
        Some(Box::new(Self { recipe, panics: 0, decoder, rate, last, channels: 1, interleaved: Vec::new() }))
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        if self.panics == MOST_PANICS {
            return Decoded::Refused;
        }
        let Self { decoder, interleaved, recipe, .. } = self;
        let lasts = Duration::from(recipe.lasts);
        let decoded = guarded(|| {
            let packet = PacketRef::new(0, Timestamp::ZERO, lasts, frame);
            Ok(copied(decoder.decode_ref(&packet)?, interleaved))
        });
        match decoded {
            Some(Ok((rate, channels, samples))) => {
                self.rate = rate;
                self.channels = self.channels.max(channels);
                match channels == self.channels {
                    true => out.extend_from_slice(&self.interleaved),
                    false => out.extend(widened(&self.interleaved, channels, self.channels)),
                }
                self.last = if samples > 0 { samples } else { self.last };
                Decoded::Audio { leftover: 0 }
            }
            Some(Err(_)) => Decoded::Refused,
            None => {
                self.panics += 1;
                // After a panic the decoder may be in any state.
                if let Some(decoder) = make(&self.recipe) {
                    self.decoder = decoder;
                }
                Decoded::Refused
            }
        }
    }

    fn conceal(&mut self, _: &[u8], out: &mut Vec<f32>) {
        self.decoder.reset();
        out.resize(out.len() + self.last * self.channels, 0.0);
    }
}

/// Copies the samples. Returns the rate, the number of channels, and the samples of each.
fn copied(buffer: GenericAudioBufferRef, interleaved: &mut Vec<f32>) -> (u32, usize, usize) {
    let (rate, channels) = (buffer.spec().rate(), buffer.num_planes().max(1));
    buffer.copy_to_vec_interleaved(interleaved);
    (rate, channels, interleaved.len() / channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::recording;

    #[test]
    fn decoder_that_panicked_too_often_is_not_called_again() {
        let bytes = recording("ss0880_aac_16000_1_fs1024");
        let mut frames = crate::Frames::new(&bytes[..]);
        let mut decoder = Symphonia::aac(&[0x14, 0x08], 16_000).unwrap();
        for (panics, expected) in [(MOST_PANICS - 1, Decoded::Audio { leftover: 0 }), (MOST_PANICS, Decoded::Refused)] {
            decoder.panics = panics;
            let frame = frames.next_frame().unwrap().unwrap();
            assert_eq!(decoder.decode(&frame[7..], &mut Vec::new()), expected);
        }
    }
}
