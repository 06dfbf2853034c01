//! Recordings as devices make them: real speech from the fixtures, silence, and damage.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};

const CLIP: &[u8] = include_bytes!("../fixtures/speech/audio_ss0880_pcm16_16000_1_fs160_1748300000.bin");

const OPUS_CLIP: &[u8] = include_bytes!("../fixtures/speech/audio_ss0880_opus_16000_1_fs160_1748300000.bin");

/// When the recordings of a test begin, in seconds since 1970: some day in the past.
pub const T0: i64 = 1_748_300_000;

/// Bytes of a 10 ms frame of pcm16 at 16 kHz.
const FRAME_BYTES: usize = 320;
const RECORD_BYTES: usize = 4 + FRAME_BYTES;
/// Up to this frame the clip has about a second of speech, and before it the silence that makes the speech stand out.
const SHORT_FRAMES: usize = 160;
/// A frame in the middle of that speech: a change of it changes the transcript.
const SPOKEN_FRAME: usize = 110;

/// A file to upload.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub name: String,
    pub bytes: Bytes,
    /// The headers of its part in the form.
    pub headers: HeaderMap,
}

impl Recording {
    pub fn new(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.into(), bytes: bytes.into(), headers: HeaderMap::new() }
    }

    /// Three seconds of speech that began at this second.
    pub fn speech(at: i64) -> Self {
        Self::new(name(at), CLIP)
    }

    /// The same clip as Opus: bytes that are not text.
    pub fn opus(at: i64) -> Self {
        Self::new(format!("audio_phone_opus_16000_1_fs160_{at}.bin"), OPUS_CLIP)
    }

    /// A second of speech, so that a test can use many. Each moment has different samples.
    pub fn short(at: i64) -> Self {
        let mut bytes = CLIP[..SHORT_FRAMES * RECORD_BYTES].to_vec();
        // Low bits of four samples: too faint to change where speech is, but enough to change the words of the null
        // engine.
        let spoken = SPOKEN_FRAME * RECORD_BYTES + 4;
        for (index, byte) in at.to_le_bytes().into_iter().enumerate() {
            let low = &mut bytes[spoken + 8 * index];
            *low = *low & 0xF0 | byte & 0x0F;
            let low = &mut bytes[spoken + 8 * index + 4];
            *low = *low & 0xF0 | byte >> 4;
        }
        Self::new(name(at), bytes)
    }

    /// A second of digital silence.
    pub fn silence(at: i64) -> Self {
        Self::new(name(at), frames(&[0; FRAME_BYTES], 100))
    }

    /// Bytes with which no frame begins: nothing of the file can be decoded.
    pub fn garbage(at: i64) -> Self {
        Self::new(name(at), vec![0x7F; 4_000])
    }

    /// A recording with these bytes: a little speech first, and silence to the end. Recordings of different moments
    /// share their memory.
    pub fn large(at: i64, bytes: &Bytes) -> Self {
        Self::new(name(at), bytes.clone())
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        self
    }
}

/// The file name of a recording of the device `phone`.
pub fn name(at: i64) -> String {
    format!("audio_phone_pcm16_16000_1_fs160_{at}.bin")
}

/// The content of a large recording of at least `size` bytes.
pub fn large(size: usize) -> Bytes {
    let mut bytes = CLIP[..SHORT_FRAMES * RECORD_BYTES].to_vec();
    let missing = size.saturating_sub(bytes.len()).div_ceil(RECORD_BYTES);
    bytes.extend(frames(&[0; FRAME_BYTES], missing));
    bytes.into()
}

/// The same content, except that no two frames of the silence are equal, so that bytes in a wrong place are noticed.
pub fn numbered(size: usize) -> Bytes {
    let mut bytes = Vec::from(large(size));
    for (number, record) in (0_u32..).zip(bytes.chunks_exact_mut(RECORD_BYTES)).skip(SHORT_FRAMES) {
        for (nibble, sample) in record[4..].chunks_exact_mut(2).take(8).enumerate() {
            // Too faint to be anything but silence.
            sample[0] = (number >> (4 * nibble)) as u8 & 0x0F;
        }
    }
    bytes.into()
}

fn frames(frame: &[u8], count: usize) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
    [&length, frame].concat().repeat(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_clips_of_different_moments_differ_and_are_whole_frames() {
        let (one, other) = (Recording::short(T0), Recording::short(T0 + 1));
        assert_ne!(one.bytes, other.bytes);
        assert_eq!(one, Recording::short(T0));
        for record in one.bytes.chunks(RECORD_BYTES) {
            assert_eq!((record.len(), &record[..4]), (RECORD_BYTES, &[0x40, 1, 0, 0][..]));
        }
    }

    #[test]
    fn large_recording_has_the_requested_size() {
        let size = 5 << 20;
        assert!((size..size + RECORD_BYTES).contains(&large(size).len()));
        assert_eq!(numbered(size).len(), large(size).len());
    }
}
