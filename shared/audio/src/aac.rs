//! AAC frames with their ADTS headers, as they are sent over the air: one or more in each frame of the file.

use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::sound::Symphonia;

const HEADER: usize = 7;
/// An ADTS header with the checksum that may follow it.
const CHECKED_HEADER: usize = 9;
pub(crate) const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
/// The most AAC frames that are decoded from one frame of the file. A file frame of the greatest size would become 27
/// MB of samples if it held only the shortest AAC frames that exist. AAC frames of 512 bits and more all fit.
const MOST_TOGETHER: usize = 1024;
/// The most decoders that are created for one recording. Creating one takes a millisecond and a half, which is more
/// than decoding a second of audio takes. Damage seldom looks like a header with other parameters.
const MOST_MADE: u32 = 64;
/// Samples in an AAC frame.
const FRAME: usize = 1024;

/// Decodes AAC. Each frame states its sample rate; the rate of the first frame that can be decoded is taken as the
/// recording's. A frame with other parameters does not belong to the recording and is refused.
pub(crate) struct Aac {
    /// The rate in the file's name.
    named: u32,
    rate: u32,
    /// At least one frame was decoded, so the decoder is the right one for this recording.
    proven: bool,
    decoder: Option<([u8; 2], Symphonia)>,
    made: u32,
    one: Vec<f32>,
}

impl Aac {
    pub fn new(rate: u32) -> Self {
        Self { named: rate, rate, proven: false, decoder: None, made: 0, one: Vec::new() }
    }

    /// Returns the config that a header stands for, its rate, and the range of the frame's payload.
    fn header(bytes: &[u8]) -> Option<([u8; 2], u32, std::ops::Range<usize>)> {
        let &[first, second, third, fourth, fifth, sixth, ..] = bytes else { return None };
        if first != 0xFF || second & 0xF6 != 0xF0 {
            return None;
        }
        let (profile, rate) = (third >> 6, third >> 2 & 0x0F);
        let channels = (third & 1) << 2 | fourth >> 6;
        let size = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let from = if second & 1 == 1 { HEADER } else { CHECKED_HEADER };
        if channels == 0 || size <= from || size > bytes.len() {
            return None;
        }
        let config = u16::from(profile + 1) << 11 | u16::from(rate) << 7 | u16::from(channels) << 3;
        Some((config.to_be_bytes(), *RATES.get(usize::from(rate))?, from..size))
    }

    fn decode_one(&mut self, bytes: &[u8]) -> Option<usize> {
        let (config, rate, payload) = Self::header(bytes)?;
        let known = self.decoder.as_ref().is_some_and(|(of, _)| *of == config);
        if !known && (self.proven || self.made == MOST_MADE) {
            return None;
        }
        let (_, decoder) = match &mut self.decoder {
            Some(decoder) if known => decoder,
            // Nothing has been decoded yet, so this header may be the right one.
            slot => {
                self.made += 1;
                slot.insert((config, Symphonia::aac(&config, rate).ok()?))
            }
        };
        self.one.clear();
        let end = payload.end;
        if decoder.decode(&bytes[payload], &mut self.one) == Decoded::Refused {
            return None;
        }
        (self.proven, self.rate) = (true, rate);
        Some(end)
    }
}

impl FrameDecoder for Aac {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self::new(self.named)))
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        self.decoder.as_ref().map_or(1, |(_, decoder)| decoder.channels())
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        let mut at = 0;
        for _ in 0..MOST_TOGETHER {
            match self.decode_one(&frame[at..]) {
                Some(size) => at += size,
                None if at == 0 => return Decoded::Refused,
                None => break,
            }
            out.extend_from_slice(&self.one);
        }
        Decoded::Audio { leftover: frame.len() - at }
    }

    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>) {
        match &mut self.decoder {
            Some((_, decoder)) if self.proven => decoder.conceal(frame, out),
            _ => out.resize(out.len() + FRAME, 0.0),
        }
    }
}

/// The sample rate in an `AudioSpecificConfig`.
pub(crate) fn rate_of(config: &[u8]) -> Option<u32> {
    let &[a, b, ..] = config else { return None };
    match (a & 7) << 1 | b >> 7 {
        15 => {
            let &[_, b, c, d, e, ..] = config else { return None };
            Some(u32::from(b & 0x7F) << 17 | u32::from(c) << 9 | u32::from(d) << 1 | u32::from(e >> 7))
        }
        index => RATES.get(usize::from(index)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixture_samples, likeness, recorded, recording};

    fn frames() -> Vec<Vec<u8>> {
        let bytes = recording("ss0880_aac_16000_1_fs1024");
        let mut frames = crate::Frames::new(&bytes[..]);
        let mut all = Vec::new();
        while let Some(frame) = frames.next_frame().unwrap() {
            all.push(frame.to_vec());
        }
        all
    }

    #[test]
    fn device_recording_matches_original_in_sound_and_length() {
        let (original, decoded) = (fixture_samples("ss0880_pcm16"), recorded("ss0880_aac_16000_1_fs1024"));
        assert_eq!(decoded.len(), 48 * FRAME);
        let (likeness, delay) = likeness(&original, &decoded, 1_100);
        assert!(likeness > 0.95 && delay == FRAME, "{likeness} at {delay}");
    }

    #[test]
    fn several_aac_frames_in_one_file_frame_are_decoded_and_cut_off_rest_is_leftover() {
        let frames = frames();
        let (mut aac, mut out) = (Aac::new(16_000), Vec::new());
        assert_eq!(aac.decode(&frames[..3].concat(), &mut out), Decoded::Audio { leftover: 0 });
        assert_eq!(out.len(), 3 * FRAME);
        let cut = [&frames[3][..], &frames[4][..20]].concat();
        assert_eq!(aac.decode(&cut, &mut out), Decoded::Audio { leftover: 20 });
        assert_eq!(aac.decode(&frames[4][..20], &mut out), Decoded::Refused);
        out.clear();
        aac.conceal(&frames[4][..20], &mut out);
        assert_eq!(out.len(), FRAME);
    }

    #[test]
    fn rate_is_taken_from_first_frame_and_frame_with_another_rate_is_refused() {
        let frames = frames();
        let (mut aac, mut out) = (Aac::new(44_100), Vec::new());
        assert_eq!(aac.decode(&frames[0], &mut out), Decoded::Audio { leftover: 0 });
        assert_eq!(aac.rate(), 16_000);
        let mut other = frames[1].clone();
        other[2] = other[2] & !0x3C | 4 << 2;
        assert_eq!(aac.decode(&other, &mut out), Decoded::Refused);
        assert_eq!(aac.decode(&frames[1], &mut out), Decoded::Audio { leftover: 0 });
    }

    /// The shortest frame that exists: one channel, and no band holds anything.
    fn shortest() -> Vec<u8> {
        // MPEG-4, no checksum, LC at 7,350 Hz, mono, 11 bytes in all.
        vec![0xFF, 0xF1, 0x40 | 12 << 2, 0x40, 0x01, 0x60 | 0x1F, 0xFC, 0, 0, 0, 7]
    }

    #[test]
    fn frame_packed_with_silence_does_not_become_huge_number_of_samples() {
        let packed = shortest().repeat(crate::MAX_FRAME_BYTES / 11);
        let (mut aac, mut out) = (Aac::new(16_000), Vec::new());
        let Decoded::Audio { leftover } = aac.decode(&packed, &mut out) else { panic!("{} samples", out.len()) };
        assert_eq!((out.len(), leftover), (MOST_TOGETHER * FRAME, packed.len() - MOST_TOGETHER * 11));
    }

    #[test]
    fn frames_with_many_kinds_of_headers_do_not_each_create_a_decoder() {
        let good = frames();
        let (mut aac, mut out) = (Aac::new(16_000), Vec::new());
        let header = |rate: u8| [0xFF, 0xF1, 0x40 | rate << 2, 0x40, 0x01, 0xBF, 0xFC, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        for n in 0..1_000 {
            assert_eq!(aac.decode(&header(n as u8 % 12), &mut out), Decoded::Refused);
            // A header that is already known needs no new decoder.
            assert_eq!(aac.decode(&header(n as u8 % 12), &mut out), Decoded::Refused);
        }
        assert_eq!(aac.made, MOST_MADE);
        let mut aac = Aac::new(16_000);
        for _ in 0..1_000 {
            assert_eq!(aac.decode(&header(8), &mut out), Decoded::Refused);
        }
        assert_eq!((aac.made, out.len()), (1, 0));
        assert_eq!(aac.decode(&good[0], &mut out), Decoded::Audio { leftover: 0 });
    }
}
