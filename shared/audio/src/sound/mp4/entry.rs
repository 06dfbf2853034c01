//! How the audio of a track is coded: one entry of its sample description.

use std::ops::Range;

use super::super::linear::{self, Linear};
use super::super::opus_head::OpusHead;
use super::super::parts::Stream;
use super::super::symphonia::Symphonia;
use super::super::{flac, kinds};
use super::table::{File, go, read, read_box};
use crate::aac;
use crate::error::AudioError;

const MOST_CONFIG: usize = 1024;
/// The most boxes within an entry, and within a QuickTime box in it.
const MOST_BOXES: u32 = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// An `AudioSpecificConfig`.
    Aac(Vec<u8>),
    Mp3,
    Alac(Vec<u8>),
    Flac(Vec<u8>),
    Opus(OpusHead),
    Linear(linear::Coding, bool),
    Amr,
    Unknown,
}

/// An entry with the fields that every sound has.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub entry: Entry,
    channels: u16,
    rate: u32,
}

impl Described {
    /// `None`: the box does not describe sound.
    pub fn read(file: &mut File, kind: [u8; 4], body: Range<u64>) -> Result<Option<Self>, AudioError> {
        let mut fixed = [0; 28];
        go(file, body.start)?;
        if body.end - body.start < 28 || !read(file, &mut fixed)? {
            return Ok(None);
        }
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let (version, channels, bits, rate) = (word(8), word(16), word(18), u32::from(word(24)));
        // QuickTime versions put more fields before the inner boxes.
        let more = match version {
            0 => 0,
            1 => 16,
            _ => 36,
        };
        let mut inside = Inside { file, boxes: MOST_BOXES, entry: Entry::Unknown };
        let boxes = (body.start + 28 + more).min(body.end)..body.end;
        let entry = match &kind {
            b"mp4a" | b"alac" | b"Opus" | b"fLaC" => {
                inside.walk(boxes, 0)?;
                inside.entry
            }
            b".mp3" => Entry::Mp3,
            b"sowt" => linear::Coding::integer(bits).map_or(Entry::Unknown, |coding| Entry::Linear(coding, false)),
            b"twos" => linear::Coding::integer(bits).map_or(Entry::Unknown, |coding| Entry::Linear(coding, true)),
            b"ulaw" => Entry::Linear(linear::Coding::Mulaw, true),
            b"alaw" => Entry::Linear(linear::Coding::Alaw, true),
            b"samr" | b"sawb" => Entry::Amr,
            _ => Entry::Unknown,
        };
        Ok(Some(Self { entry, channels, rate }))
    }

    /// The sample rate of the decoder's output.
    pub fn rate(&self) -> u32 {
        match &self.entry {
            Entry::Aac(config) => aac::rate_of(config).unwrap_or(0),
            Entry::Opus(_) => crate::RATE,
            Entry::Alac(cookie) => {
                cookie.get(20..24).and_then(|b| b.first_chunk()).map_or(self.rate, |b| u32::from_be_bytes(*b))
            }
            Entry::Flac(info) => info
                .get(10..13)
                .map_or(self.rate, |b| u32::from(b[0]) << 12 | u32::from(b[1]) << 4 | u32::from(b[2]) >> 4),
            _ => self.rate,
        }
    }

    /// The bytes of one sample of all channels, if all samples have the same size.
    pub fn block(&self) -> Option<u64> {
        match self.entry {
            Entry::Linear(..) => self.linear().map(|linear| linear.block() as u64),
            _ => None,
        }
    }

    fn linear(&self) -> Option<Linear> {
        let &Entry::Linear(coding, big_endian) = &self.entry else { return None };
        let possible = (1..=linear::MOST_CHANNELS).contains(&self.channels);
        possible.then_some(Linear { coding, big_endian, channels: self.channels, rate: self.rate })
    }

    pub fn stream(&self) -> Result<Stream, AudioError> {
        let wrong = AudioError::Unreadable("the audio of the MP4 file has a coding that cannot be read");
        match &self.entry {
            Entry::Aac(config) => Stream::of(Symphonia::aac(config, self.rate())?),
            Entry::Mp3 => Stream::of(Symphonia::mp3(self.rate, 1152)?),
            Entry::Alac(cookie) => Stream::of(Symphonia::alac(cookie)?),
            Entry::Flac(info) => flac::stream(info),
            Entry::Opus(head) => head.stream(),
            Entry::Linear(..) => Stream::of(self.linear().ok_or(wrong)?),
            Entry::Amr => Err(kinds::AMR),
            Entry::Unknown => Err(wrong),
        }
    }
}

/// The boxes within an entry, one of which holds the decoder's configuration.
struct Inside<'f, 'r> {
    file: &'f mut File<'r>,
    boxes: u32,
    entry: Entry,
}

impl Inside<'_, '_> {
    fn walk(&mut self, mut within: Range<u64>, depth: u8) -> Result<(), AudioError> {
        while self.boxes > 0 {
            let Some(found) = read_box(self.file, &within)? else { break };
            self.boxes -= 1;
            within.start = found.body.end;
            match (&found.kind, depth) {
                (b"wave", 0) => self.walk(found.body, 1)?,
                (b"esds", _) => {
                    let bytes = self.bytes(found.body)?;
                    self.entry = bytes.get(4..).and_then(config).unwrap_or(Entry::Unknown);
                }
                (b"alac", 0) => self.entry = Entry::Alac(self.bytes(found.body)?.get(4..).unwrap_or_default().to_vec()),
                (b"dOps", 0) => {
                    let head = match self.bytes(found.body)?[..] {
                        [0, channels, a, b, _, _, _, _, _, _, family, ref table @ ..] => {
                            OpusHead::of(channels, u16::from_be_bytes([a, b]), family, table)
                        }
                        _ => None,
                    };
                    self.entry = head.map_or(Entry::Unknown, Entry::Opus);
                }
                (b"dfLa", 0) => {
                    self.entry =
                        self.bytes(found.body)?.get(8..42).map_or(Entry::Unknown, |info| Entry::Flac(info.to_vec()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn bytes(&mut self, body: Range<u64>) -> Result<Vec<u8>, AudioError> {
        let mut bytes = vec![0; usize::try_from(body.end - body.start).unwrap_or(MOST_CONFIG).min(MOST_CONFIG)];
        go(self.file, body.start)?;
        Ok(if read(self.file, &mut bytes)? { bytes } else { Vec::new() })
    }
}

/// Returns the decoder's configuration from the innermost of three descriptors (ISO 14496-1).
fn config(bytes: &[u8]) -> Option<Entry> {
    let (3, stream) = descriptor(bytes)? else { return None };
    let flags = *stream.get(2)?;
    let more = if flags & 0x80 == 0 { 0 } else { 2 } + if flags & 0x20 == 0 { 0 } else { 2 };
    let (4, decoder) = descriptor(stream.get(3 + more..)?)? else { return None };
    match *decoder.first()? {
        // MPEG-4 audio, and the three profiles of MPEG-2 AAC.
        0x40 | 0x66..=0x68 => match descriptor(decoder.get(13..)?)? {
            (5, config) => Some(Entry::Aac(config.to_vec())),
            _ => None,
        },
        0x69 | 0x6B => Some(Entry::Mp3),
        _ => None,
    }
}

/// Parses a descriptor into tag and body; its length has seven bits in each of up to four bytes.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    let mut size = 0;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        (size, rest) = (size << 7 | usize::from(byte & 0x7F), after);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((tag, rest.get(..size.min(rest.len()))?))
}
