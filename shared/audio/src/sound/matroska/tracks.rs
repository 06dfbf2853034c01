//! The tracks of a Matroska file, and the one that is read: the first with audio of a known kind.

use super::super::linear::{self, Linear};
use super::super::ogg::vorbis_stream;
use super::super::opus_head::OpusHead;
use super::super::parts::Stream;
use super::super::symphonia::Symphonia;
use super::super::{flac, vorbis};
use super::element::{Element, float, id, number};
use crate::aac;
use crate::error::AudioError;

const AUDIO: u64 = 2;
/// The default unit of time: a millisecond.
const USUAL_SCALE: u64 = 1_000_000;
/// Times are rounded, and some writers count the encoder's padding while others do not.
const TOLERANCE_MS: f64 = 200.0;

/// What happens with the blocks of a track.
pub(super) enum Track {
    Read,
    /// The track has no audio.
    Silent,
    /// The track has audio that is not read, or it is unknown whether it has.
    Dropped,
}

#[derive(Default)]
pub(super) struct Tracks {
    read: Option<u64>,
    silent: Vec<u64>,
    duration_ms: f64,
    /// The nanoseconds of a unit of time, if the file states them.
    scale: Option<u64>,
}

/// The content of a track's entry.
#[derive(Default)]
struct Entry<'a> {
    number: u64,
    kind: u64,
    codec: &'a [u8],
    private: &'a [u8],
    rate: f64,
    channels: u16,
    bits: u16,
    /// The packets are compressed or encrypted.
    encoded: bool,
}

impl Tracks {
    pub fn is_read(&self) -> bool {
        self.read.is_some()
    }

    pub fn of(&self, number: u64) -> Track {
        match number {
            _ if self.read == Some(number) => Track::Read,
            _ if self.silent.contains(&number) => Track::Silent,
            _ => Track::Dropped,
        }
    }

    pub fn read_info(&mut self, body: &[u8]) {
        let (mut scale, mut duration) = (USUAL_SCALE, 0.0);
        for (id, value) in Element::all(body) {
            match id {
                id::TIMESTAMP_SCALE => scale = number(value),
                id::DURATION => duration = float(value),
                _ => {}
            }
        }
        self.duration_ms = duration * scale as f64 / 1e6;
        self.scale = Some(scale);
    }

    /// The nanoseconds of a unit of time; `None` if the file states an impossible value.
    pub fn scale(&self) -> Option<u64> {
        Some(self.scale.unwrap_or(USUAL_SCALE)).filter(|scale| *scale > 0)
    }

    /// Returns the stream of the first readable track, if none was found before.
    pub fn read(&mut self, body: &[u8]) -> Result<Option<Stream>, AudioError> {
        let mut stream = None;
        let mut wrong = None;
        let entries = || Element::all(body).filter(|(id, _)| *id == id::TRACK_ENTRY);
        // The duration is that of the longest track, which may be another one.
        let is_alone = entries().count() == 1;
        for (_, entry) in entries() {
            let entry = Entry::read(entry);
            if entry.kind != AUDIO {
                self.silent.push(entry.number);
                continue;
            }
            if self.read.is_some() {
                continue;
            }
            match entry.stream() {
                Ok(found) => {
                    self.read = Some(entry.number);
                    let ms = self.duration_ms - TOLERANCE_MS;
                    let promised = (is_alone && ms > 0.0).then(|| (ms * entry.rate(&found) / 1_000.0) as u64);
                    stream = Some(Stream { promised, promised_from_zero: true, ..found });
                }
                Err(why) => wrong = Some(why),
            }
        }
        match (&stream, wrong) {
            (None, Some(why)) if self.read.is_none() => Err(why),
            _ => Ok(stream),
        }
    }
}

impl<'a> Entry<'a> {
    fn read(body: &'a [u8]) -> Self {
        let mut entry = Self { rate: 8_000.0, channels: 1, ..Self::default() };
        for (id, value) in Element::all(body) {
            match id {
                id::TRACK_NUMBER => entry.number = number(value),
                id::TRACK_TYPE => entry.kind = number(value),
                id::CODEC_ID => entry.codec = value.strip_suffix(b"\0").unwrap_or(value),
                id::CODEC_PRIVATE => entry.private = value,
                id::CONTENT_ENCODINGS => entry.encoded = true,
                id::AUDIO => entry.read_audio(value),
                _ => {}
            }
        }
        entry
    }

    fn read_audio(&mut self, body: &[u8]) {
        let small = |value| u16::try_from(number(value)).unwrap_or(0);
        for (id, value) in Element::all(body) {
            match id {
                id::SAMPLING_FREQUENCY => self.rate = float(value),
                id::CHANNELS => self.channels = small(value),
                id::BIT_DEPTH => self.bits = small(value),
                _ => {}
            }
        }
    }

    /// The sample rate of the stream's decoder.
    fn rate(&self, stream: &Stream) -> f64 {
        match &stream.coding {
            super::super::parts::Coding::Opus => f64::from(crate::RATE),
            super::super::parts::Coding::Decoder(decoder) => f64::from(decoder.rate()),
        }
    }

    fn stream(&self) -> Result<Stream, AudioError> {
        let wrong = AudioError::Unreadable("the audio of the WebM or Matroska file has a coding that cannot be read");
        if self.encoded {
            return Err(wrong);
        }
        let rate = self.rate as u32;
        match self.codec {
            b"A_OPUS" => OpusHead::read(self.private).ok_or(wrong)?.stream(),
            b"A_VORBIS" => vorbis_stream(&vorbis_headers(self.private).ok_or(wrong)?),
            b"A_FLAC" => flac::stream(self.private.get(8..42).ok_or(wrong)?),
            b"A_ALAC" => Stream::of(Symphonia::alac(self.private)?),
            b"A_MPEG/L2" => Stream::of(Symphonia::mp2(rate, 1152)?),
            b"A_MPEG/L3" => Stream::of(Symphonia::mp3(rate, 1152)?),
            codec if codec.starts_with(b"A_AAC") => {
                let rate = aac::rate_of(self.private).ok_or(wrong)?;
                Stream::of(Symphonia::aac(self.private, rate)?)
            }
            b"A_PCM/INT/LIT" => self.linear(linear::Coding::integer(self.bits), false),
            b"A_PCM/INT/BIG" => self.linear(linear::Coding::integer(self.bits), true),
            b"A_PCM/FLOAT/IEEE" => self.linear(linear::Coding::float(self.bits), false),
            _ => Err(wrong),
        }
    }

    fn linear(&self, coding: Option<linear::Coding>, big_endian: bool) -> Result<Stream, AudioError> {
        match coding {
            Some(coding) if (1..=linear::MOST_CHANNELS).contains(&self.channels) => {
                // Samples of eight bits are unsigned here.
                let coding = if coding == linear::Coding::I8 { linear::Coding::U8 } else { coding };
                Stream::of(Linear { coding, big_endian, channels: self.channels, rate: self.rate as u32 })
            }
            _ => Err(AudioError::Unreadable("the audio of the WebM or Matroska file has a coding that cannot be read")),
        }
    }
}

/// Returns the first and the third of the three Vorbis headers, which follow the lengths of the first two.
fn vorbis_headers(private: &[u8]) -> Option<Vec<u8>> {
    let (&2, mut rest) = private.split_first()? else { return None };
    let mut sizes = [0; 2];
    for size in &mut sizes {
        loop {
            let (&byte, after) = rest.split_first()?;
            (*size, rest) = (*size + usize::from(byte), after);
            if byte < 255 {
                break;
            }
        }
    }
    let (first, third) = (rest.get(..sizes[0])?, rest.get(sizes[0].checked_add(sizes[1])?..)?);
    vorbis::fits(third).then(|| [first, third].concat())
}
