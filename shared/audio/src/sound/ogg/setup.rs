//! The first packets of an Ogg stream: they tell what its audio is, and what the decoder needs.

use super::super::opus_head::{self, OpusHead};
use super::super::parts::{Stream, micros};
use super::super::symphonia::Symphonia;
use super::super::{flac, vorbis};
use crate::error::AudioError;

#[derive(Clone, Default)]
pub(super) struct Setup {
    codec: Codec,
    /// The number of packets so far, and the headers of Vorbis in the form that its decoder needs.
    packets: u32,
    headers: Vec<u8>,
    /// The decoder could not be created, so no packet of the stream is audio.
    broken: bool,
}

#[derive(Clone, Default)]
enum Codec {
    Opus(OpusHead),
    #[default]
    Vorbis,
    Flac,
}

/// More packets than any codec has headers.
const MANY: u32 = 4;
/// The headers were read before.
const AGAIN: u32 = 5;

/// The meaning of a packet.
pub(super) enum Taken {
    Header,
    /// The last header, or the first one if the others are not needed.
    Stream(Stream),
    Audio,
}

const DAMAGED: AudioError =
    AudioError::Unreadable("the header of the audio is damaged, or of a kind that cannot be read");

impl Setup {
    /// Recognises the codec by the start of the first packet.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let codec = match packet {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Codec::Vorbis,
            [0x7F, b'F', b'L', b'A', b'C', ..] => Codec::Flac,
            packet => Codec::Opus(OpusHead::read(packet)?),
        };
        Some(Self { codec, ..Self::default() })
    }

    /// Whether a stream that begins like this holds no sound: an index, pictures, subtitles.
    pub fn is_silent(packet: &[u8]) -> bool {
        [&b"fishead\0"[..], b"\x80theora", b"BBCD\0", b"\x80kate", b"CMML\0", b"OVP80", b"\x01video"]
            .iter()
            .any(|head| packet.starts_with(head))
    }

    /// Prepares the setup for a new decoder of the same stream. Headers that were all read are not expected again.
    pub fn again(self) -> Self {
        let headers = if matches!(self.codec, Codec::Vorbis) { 3 } else { 1 };
        Self { packets: if self.packets >= headers { AGAIN } else { self.packets }, ..self }
    }

    /// Whether tags are expected and this is their start.
    pub fn is_tags(&self, packet: &[u8]) -> bool {
        match self.codec {
            Codec::Opus(_) => self.packets == 1 && packet.starts_with(b"OpusTags"),
            Codec::Vorbis => self.packets == 1 && packet.starts_with(b"\x03vorbis"),
            Codec::Flac => self.packets > 0 && packet.first().is_some_and(|first| *first != 0xFF),
        }
    }

    pub fn take(&mut self, packet: &[u8]) -> Result<Taken, AudioError> {
        if self.broken {
            return Err(DAMAGED);
        }
        let taken = self.taken(packet);
        self.broken = taken.is_err();
        taken
    }

    fn taken(&mut self, packet: &[u8]) -> Result<Taken, AudioError> {
        if self.packets == AGAIN {
            // The packet is dropped: a decoder that begins in the middle needs one to synchronise.
            self.packets = MANY;
            return Ok(Taken::Stream(Stream { skip: 0, promised: None, ..self.stream()? }));
        }
        self.packets = (self.packets + 1).min(MANY);
        match &self.codec {
            Codec::Opus(_) if self.packets == 1 => Ok(Taken::Stream(self.stream()?)),
            Codec::Opus(_) if self.packets == 2 && packet.starts_with(b"OpusTags") => Ok(Taken::Header),
            Codec::Flac if self.packets == 1 => {
                self.headers = packet.get(17..51).ok_or(DAMAGED)?.to_vec();
                Ok(Taken::Stream(self.stream()?))
            }
            // Frames begin with this byte; tags and other headers do not.
            Codec::Flac if packet.first() != Some(&0xFF) => Ok(Taken::Header),
            Codec::Vorbis if self.packets == 1 => {
                self.headers = packet.to_vec();
                Ok(Taken::Header)
            }
            Codec::Vorbis if self.packets == 2 && packet.starts_with(b"\x03vorbis") => Ok(Taken::Header),
            Codec::Vorbis if self.packets == 2 => Err(DAMAGED),
            Codec::Vorbis if self.packets == 3 => {
                if !vorbis::fits(packet) {
                    return Err(DAMAGED);
                }
                self.headers.extend_from_slice(packet);
                Ok(Taken::Stream(self.stream()?))
            }
            _ => Ok(Taken::Audio),
        }
    }

    fn stream(&self) -> Result<Stream, AudioError> {
        match &self.codec {
            Codec::Opus(head) => head.stream(),
            Codec::Flac => flac::stream(&self.headers),
            Codec::Vorbis => vorbis_stream(&self.headers),
        }
    }

    /// The time of a granule position.
    pub fn micros(&self, granule: u64) -> Option<u64> {
        let rate = match &self.codec {
            Codec::Opus(_) => opus_head::GRANULE_RATE,
            Codec::Vorbis => {
                self.headers.get(12..16)?.first_chunk().map(|rate| u64::from(u32::from_le_bytes(*rate)))?
            }
            // The rate has 20 bits.
            Codec::Flac => self.headers.get(10..13)?.iter().fold(0, |rate, byte| rate << 8 | u64::from(*byte)) >> 4,
        };
        (rate > 0).then(|| micros(granule, rate))
    }

    /// The number of samples up to a granule position.
    pub fn samples(&self, granule: u64) -> u64 {
        match &self.codec {
            Codec::Opus(head) => head.samples(granule),
            Codec::Vorbis | Codec::Flac => granule,
        }
    }
}

/// Creates the stream from the first and the third header.
pub(in super::super) fn vorbis_stream(headers: &[u8]) -> Result<Stream, AudioError> {
    let &[a, b, c, d] = headers.get(12..16).and_then(|rate| rate.first_chunk()).ok_or(DAMAGED)?;
    Stream::of(Symphonia::vorbis(headers, u32::from_le_bytes([a, b, c, d]))?)
}
