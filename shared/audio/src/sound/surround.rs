//! Opus with more than two channels (RFC 7845, 5.1.1): several streams, whose packets are stored together. All but the
//! last state their own length (RFC 6716, appendix B).

use opus::{Channels, Decoder};

use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::resample::RATE;

/// The most channels of the supported mapping families. Each stream needs a decoder.
const MOST_CHANNELS: usize = 8;
/// The longest packet: 120 ms.
const MOST_SAMPLES: usize = RATE as usize / 1000 * 120;
/// The length that is assumed before the first packet: 20 ms.
const USUAL_SAMPLES: usize = RATE as usize / 50;
/// The mapping of a channel that is in no stream.
const SILENT: u8 = 255;

/// How channels are made from streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    streams: usize,
    /// The number of streams with two channels; they come first.
    coupled: usize,
    /// For each channel, its index among the channels of all streams.
    mapping: Vec<u8>,
}

impl Layout {
    /// `table` holds the bytes behind the mapping family in a header.
    pub fn read(channels: u8, family: u8, table: &[u8]) -> Option<Self> {
        let (&[streams, coupled], mapping) = table.split_first_chunk()?;
        let mapping = mapping.get(..usize::from(channels))?.to_vec();
        let (streams, coupled) = (usize::from(streams), usize::from(coupled));
        let possible = matches!(family, 1 | 255)
            && (1..=MOST_CHANNELS).contains(&mapping.len())
            && (1..=MOST_CHANNELS).contains(&streams)
            && coupled <= streams
            && mapping.iter().all(|&place| place == SILENT || usize::from(place) < streams + coupled);
        possible.then_some(Self { streams, coupled, mapping })
    }
}

pub(super) struct Surround {
    layout: Layout,
    decoders: Vec<Decoder>,
    /// The decoded samples of each channel of all streams.
    heard: Vec<Vec<f32>>,
    /// The packet of one stream, in the form that its decoder needs.
    packet: Vec<u8>,
    buffer: Box<[f32]>,
    last: usize,
}

impl Surround {
    pub fn new(layout: Layout) -> Result<Self, AudioError> {
        let channels = |stream| if stream < layout.coupled { Channels::Stereo } else { Channels::Mono };
        let decoder = |stream| Decoder::new(RATE, channels(stream)).map_err(|_| AudioError::NoDecoder("opus"));
        let decoders = (0..layout.streams).map(decoder).collect::<Result<_, _>>()?;
        let heard = vec![Vec::new(); layout.streams + layout.coupled];
        let buffer = vec![0.0; 2 * MOST_SAMPLES].into_boxed_slice();
        Ok(Self { layout, decoders, heard, packet: Vec::new(), buffer, last: USUAL_SAMPLES })
    }

    /// Decodes all streams and returns how many samples each has; `None` if one cannot be decoded or differs in length.
    fn decode_streams(&mut self, frame: &[u8]) -> Option<usize> {
        let (mut rest, mut lasts, mut channel) = (frame, None, 0);
        for (stream, decoder) in self.decoders.iter_mut().enumerate() {
            if stream + 1 < self.layout.streams {
                let size = delimited(rest, &mut self.packet)?;
                rest = rest.get(size..)?;
            } else {
                self.packet.clear();
                self.packet.extend_from_slice(rest);
            }
            if self.packet.is_empty() {
                return None;
            }
            let samples = decoder.decode_float(&self.packet, &mut self.buffer, false).ok()?;
            if samples == 0 || lasts.is_some_and(|lasts| lasts != samples) {
                return None;
            }
            lasts = Some(samples);
            let wide = if stream < self.layout.coupled { 2 } else { 1 };
            for heard in &mut self.heard[channel..channel + wide] {
                heard.clear();
            }
            for instant in self.buffer[..samples * wide].chunks_exact(wide) {
                for (heard, sample) in self.heard[channel..].iter_mut().zip(instant) {
                    heard.push(*sample);
                }
            }
            channel += wide;
        }
        lasts
    }
}

impl FrameDecoder for Surround {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self::new(self.layout.clone()).ok()?))
    }

    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        self.layout.mapping.len()
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let Some(samples) = self.decode_streams(frame) else { return Decoded::Refused };
        let heard = |place: &u8, at: usize| self.heard.get(usize::from(*place)).map_or(0.0, |heard| heard[at]);
        for at in 0..samples {
            out.extend(self.layout.mapping.iter().map(|place| heard(place, at)));
        }
        self.last = samples;
        Decoded::Audio { leftover: 0 }
    }

    fn conceal(&mut self, _: &[u8], out: &mut Vec<f32>) {
        out.resize(out.len() + self.last * self.channels(), 0.0);
    }
}

/// Copies the first packet, which states its own length, into `packet` without that length. Returns how many bytes it
/// took.
fn delimited(bytes: &[u8], packet: &mut Vec<u8>) -> Option<usize> {
    let code = bytes.first()? & 3;
    // The bytes before the length that is left out, and the bytes of frames and padding behind it.
    let (mut before, mut frames, mut padding, mut each) = (1, 0, 0, 1);
    match code {
        0 => {}
        1 => each = 2,
        2 => {
            let (size, width) = length(bytes.get(1..)?)?;
            (before, frames) = (1 + width, size);
        }
        _ => {
            let count = *bytes.get(1)?;
            before = 2;
            if count & 0x40 != 0 {
                loop {
                    let more = *bytes.get(before)?;
                    before += 1;
                    padding += if more == 255 { 254 } else { usize::from(more) };
                    if more < 255 {
                        break;
                    }
                }
            }
            each = usize::from(count & 0x3F);
            if count & 0x80 != 0 {
                for _ in 1..each {
                    let (size, width) = length(bytes.get(before..)?)?;
                    (before, frames) = (before + width, frames + size);
                }
                each = 1;
            }
        }
    }
    let (size, width) = length(bytes.get(before..)?)?;
    let from = before + width;
    let end = from + frames + size * each + padding;
    packet.clear();
    packet.extend_from_slice(&bytes[..before]);
    packet.extend_from_slice(bytes.get(from..end)?);
    Some(end)
}

/// Parses the length of a frame (RFC 6716, 3.2.1). Returns it with the number of bytes that encode it.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [first @ ..=251, ..] => Some((usize::from(first), 1)),
        [first, second, ..] => Some((usize::from(first) + 4 * usize::from(second), 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of every kind in the form that its decoder needs, the offset of its own length, and the bytes of that
    /// length.
    fn packets() -> Vec<(Vec<u8>, usize, Vec<u8>)> {
        let long = vec![7; 300];
        vec![
            (vec![0x48, 1, 2, 3], 1, vec![3]),
            (vec![0x49, 1, 2, 3, 4], 1, vec![2]),
            (vec![0x4A, 1, 9, 8, 8], 2, vec![2]),
            ([&[0x4A, 1, 9][..], &long].concat(), 2, vec![252, 12]),
            (vec![0x4B, 3, 1, 2, 3], 2, vec![1]),
            // Three frames of different sizes, and two bytes of padding.
            (vec![0x4B, 0xC3, 2, 1, 2, 5, 6, 6, 7, 7, 7, 0, 0], 5, vec![3]),
            ([&[0x4B, 0x41, 255, 1][..], &[5], &[0; 255]].concat(), 4, vec![1]),
        ]
    }

    #[test]
    fn packet_that_states_its_length_is_separated_from_what_follows() {
        for (whole, at, own) in packets() {
            let stands = [&whole[..at], &own, &whole[at..], &[0xAA; 9]].concat();
            let mut packet = Vec::new();
            assert_eq!(delimited(&stands, &mut packet), Some(whole.len() + own.len()), "{:?}", &whole[..4]);
            assert!(packet == whole, "{packet:?}");
            for cut in 0..whole.len() + own.len() {
                assert_eq!(delimited(&stands[..cut], &mut packet), None, "{cut} of {:?}", &whole[..4]);
            }
        }
    }

    #[test]
    fn impossible_layout_is_rejected() {
        let five = [4, 2, 0, 4, 1, 2, 3, 5];
        assert_eq!(Layout::read(6, 1, &five).unwrap().mapping, [0, 4, 1, 2, 3, 5]);
        for (channels, family, table) in [
            (6, 2, &five[..]),
            (6, 1, &five[..7]),
            (0, 1, &five),
            (6, 1, &[4, 5, 0, 4, 1, 2, 3, 5]),
            (6, 1, &[4, 2, 0, 4, 1, 2, 3, 6]),
            (1, 1, &[0, 0, 255]),
            (9, 255, &[9, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ] {
            assert_eq!(Layout::read(channels, family, table), None, "{channels} {family} {table:?}");
        }
    }

    #[test]
    fn packet_is_heard_in_the_channels_of_its_stream() {
        let samples = crate::testing::noise(320, 0.5);
        let mut encoder = opus::Encoder::new(RATE, Channels::Mono, opus::Application::Audio).unwrap();
        let packet = encoder.encode_vec_float(&samples, 1_275).unwrap();
        // A frame in a packet of code 0: its length comes behind its first byte.
        assert_eq!(packet[0] & 3, 0);
        let size = packet.len() - 1;
        let own = if size < 252 { vec![size as u8] } else { vec![252 + (size & 3) as u8, ((size - 252) / 4) as u8] };
        let frame = [&packet[..1], &own, &packet[1..], &packet].concat();
        let mut surround = Surround::new(Layout::read(3, 255, &[2, 0, 1, SILENT, 0]).unwrap()).unwrap();
        let mut out = Vec::new();
        assert_eq!(surround.decode(&frame, &mut out), Decoded::Audio { leftover: 0 });
        assert_eq!((out.len(), surround.channels()), (3 * 320, 3));
        assert!(out.chunks(3).all(|instant| instant[0] == instant[2] && instant[1] == 0.0));
        assert!(out.iter().any(|sample| sample.abs() > 0.05));
        assert_eq!(surround.decode(&frame[..packet.len()], &mut out), Decoded::Refused);
        surround.conceal(&[], &mut out);
        assert_eq!(out.len(), 6 * 320);
    }
}
