//! The first packets of an Ogg stream: what its audio is, and what a decoder has to know.

use super::super::opus_head::{self, OpusHead};
use super::super::parts::{Stream, micros};
use super::super::symphonia::Symphonia;
use super::super::{flac, vorbis};
use crate::error::AudioError;

#[derive(Clone, Default)]
pub(super) struct Setup {
    codec: Codec,
    /// Packets so far, and headers of Vorbis as its decoder wants them.
    packets: u32,
    headers: Vec<u8>,
    /// Its decoder could not be made: no packet of it is audio.
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

/// What a packet turned out to be.
pub(super) enum Taken {
    Header,
    /// The last header, or the first one if the others are not needed.
    Stream(Stream),
    Audio,
}

const DAMAGED: AudioError =
    AudioError::Unreadable("the header of the audio is damaged, or of a kind that cannot be read");

impl Setup {
    /// By the first bytes of the first packet.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let codec = match packet {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => Codec::Vorbis,
            [0x7F, b'F', b'L', b'A', b'C', ..] => Codec::Flac,
            packet => Codec::Opus(OpusHead::read(packet)?),
        };
        Some(Self { codec, ..Self::default() })
    }

    /// Whether a stream that begins like this has nothing to be heard: an index, pictures, subtitles.
    pub fn is_silent(packet: &[u8]) -> bool {
        [&b"fishead\0"[..], b"\x80theora", b"BBCD\0", b"\x80kate", b"CMML\0", b"OVP80", b"\x01video"]
            .iter()
            .any(|head| packet.starts_with(head))
    }

    /// The same stream for a new decoder, if all its headers were read.
    pub fn again(self) -> Self {
        let headers = if matches!(self.codec, Codec::Vorbis) { 3 } else { 1 };
        Self { packets: if self.packets >= headers { AGAIN } else { self.packets }, ..self }
    }

    /// Whether this is the start of tags that are due.
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
            // The packet is given up: a decoder that begins in the middle needs one to find its place.
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
            // Tags and the like: only frames begin like this.
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

    /// The time of a place in the stream.
    pub fn micros(&self, granule: u64) -> Option<u64> {
        let rate = match &self.codec {
            Codec::Opus(_) => opus_head::GRANULE_RATE,
            Codec::Vorbis => {
                self.headers.get(12..16)?.first_chunk().map(|rate| u64::from(u32::from_le_bytes(*rate)))?
            }
            // 20 bits.
            Codec::Flac => self.headers.get(10..13)?.iter().fold(0, |rate, byte| rate << 8 | u64::from(*byte)) >> 4,
        };
        (rate > 0).then(|| micros(granule, rate))
    }

    /// The samples of the stream up to a place in it.
    pub fn samples(&self, granule: u64) -> u64 {
        match &self.codec {
            Codec::Opus(head) => head.samples(granule),
            Codec::Vorbis | Codec::Flac => granule,
        }
    }
}

/// Of the first and the third header, in a row.
pub(in super::super) fn vorbis_stream(headers: &[u8]) -> Result<Stream, AudioError> {
    let &[a, b, c, d] = headers.get(12..16).and_then(|rate| rate.first_chunk()).ok_or(DAMAGED)?;
    Stream::of(Symphonia::vorbis(headers, u32::from_le_bytes([a, b, c, d]))?)
}
