//! The number in the header of each FLAC frame (RFC 9639, 9.1): the frame's number if all frames have the same block
//! size, otherwise the number of its first sample.

/// The position in the stream that the header of a frame states.
#[derive(Clone, Copy)]
pub(super) struct Number {
    is_of_sample: bool,
    this: u64,
    next: u64,
}

impl Number {
    /// Parses a frame whose header is valid.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let &[_, sync, sizes, _, first, ..] = frame else { return None };
        let ones = first.leading_ones() as usize;
        let more = ones.saturating_sub(1);
        // A first byte with seven leading ones has no bits of the number.
        let own = u64::from(first) & (0x7F >> ones);
        let this = frame.get(5..5 + more)?.iter().fold(own, |number, byte| number << 6 | u64::from(byte & 0x3F));
        let behind = frame.get(5 + more..)?;
        let block = match sizes >> 4 {
            1 => 192,
            code @ 2..=5 => 576 << (code - 2),
            6 => u64::from(*behind.first()?) + 1,
            7 => u64::from(u16::from_be_bytes(*behind.first_chunk()?)) + 1,
            code => 256 << (code.max(8) - 8),
        };
        let is_of_sample = sync & 1 == 1;
        Some(Self { is_of_sample, this, next: this + if is_of_sample { block } else { 1 } })
    }

    /// Whether frames are missing between this one and `before`, its predecessor in the file. If the numbers start
    /// over, another recording was appended.
    pub fn is_behind_gap(self, before: Self) -> bool {
        self.is_of_sample == before.is_of_sample && self.this > before.next
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CRC16, crc8, is_header};
    use super::*;
    use crate::Verdict;
    use crate::sound::tests::found;
    use crate::testing::sound;

    fn coded(number: u64) -> Vec<u8> {
        match u32::try_from(number).ok().and_then(char::from_u32).filter(|_| number < 0xD800) {
            Some(number) => number.to_string().into_bytes(),
            None => vec![0xF0 | (number >> 18) as u8, 0x80 | (number >> 12 & 0x3F) as u8]
                .into_iter()
                .chain([0x80 | (number >> 6 & 0x3F) as u8, 0x80 | (number & 0x3F) as u8])
                .collect(),
        }
    }

    /// The frame with its number replaced.
    fn numbered(frame: &[u8], of_sample: bool, number: u64) -> Vec<u8> {
        let length = frame[4].leading_ones().max(1) as usize;
        let header = (5..16).find(|&end| crc8(&frame[..end]) == frame[end]).unwrap();
        let head =
            [&[0xFF, 0xF8 | u8::from(of_sample)], &frame[2..4], &coded(number), &frame[4 + length..header]].concat();
        let frame = [&head[..], &[crc8(&head)], &frame[header + 1..frame.len() - 2]].concat();
        let sum = frame.iter().fold(0u16, |sum, byte| sum << 8 ^ CRC16[usize::from((sum >> 8) as u8 ^ byte)]);
        [&frame[..], &sum.to_be_bytes()].concat()
    }

    /// The clip as a header that does not state the number of samples, and the frames.
    fn streamed() -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut bytes = sound("16000_1.flac");
        bytes[21] &= 0xF0;
        bytes[22..26].fill(0);
        let mut places = Vec::new();
        for at in 42..bytes.len() {
            let number = Number::read(&bytes[at..]).filter(|_| is_header(&bytes[at..]));
            if number.is_some_and(|number| number.this == places.len() as u64) {
                places.push(at);
            }
        }
        let ends = places.iter().skip(1).copied().chain([bytes.len()]);
        let frames = places.iter().zip(ends).map(|(&at, end)| bytes[at..end].to_vec()).collect();
        (bytes[..places[0]].to_vec(), frames)
    }

    #[test]
    fn frames_cut_out_of_stream_without_stated_length_are_damage() {
        let (head, frames) = streamed();
        assert!(frames.len() > 8);
        let block = Number::read(&numbered(&frames[0], true, 0)).unwrap().next;
        let of_samples: Vec<_> =
            (0..).zip(&frames).map(|(n, frame)| numbered(frame, true, 70_000 + n * block)).collect();
        for frames in [frames, of_samples] {
            let is_damaged = |kept: &[&[Vec<u8>]]| {
                let file = [&head[..], &kept.concat().concat()].concat();
                let found = found("flac", &file).unwrap();
                assert_eq!(found.verdict(), Verdict::Speech);
                found.survey.is_damaged()
            };
            assert!(!is_damaged(&[&frames]));
            assert!(!is_damaged(&[&frames[2..]]), "it begins in the middle");
            assert!(!is_damaged(&[&frames, &frames]), "another recording follows");
            for gone in [1..2, 3..6] {
                assert!(is_damaged(&[&frames[..gone.start], &frames[gone.end..]]), "{gone:?}");
            }
        }
    }
}
