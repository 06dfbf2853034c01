//! Reads frames from a stream of bytes: each with its length before it, or cut out of samples that have none.

use std::io::{self, Read};

use domain::{Codec, FrameFormat};

/// The longest frame that the recorder takes.
pub const MAX_FRAME_BYTES: usize = 65_536;

/// How the frames stand in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A length of four bytes, the lowest first, before each frame.
    Framed,
    /// Samples without anything between them; a frame has so many bytes.
    Raw { frame_bytes: usize, sample_bytes: usize },
}

/// Samples can be cut anywhere; a frame of the other codecs cannot be found without its length.
pub fn raw(format: FrameFormat) -> Option<Layout> {
    let sample_bytes = match format.codec {
        Codec::Pcm16 => 2,
        Codec::Pcm8 | Codec::Mulaw8 | Codec::Mulaw16 => 1,
        Codec::Opus | Codec::OpusFs320 | Codec::Aac | Codec::Lc3Fs1030 => return None,
    };
    let sample_bytes = sample_bytes * usize::from(format.channels);
    let frame_bytes = sample_bytes.checked_mul(usize::try_from(format.frame_samples).ok()?)?;
    (frame_bytes <= MAX_FRAME_BYTES).then_some(Layout::Raw { frame_bytes, sample_bytes })
}

/// Why the stream cannot be read on. Every frame before is whole.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("standard input cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(
        "byte {at} of standard input is no length of a frame: {length}; a frame has 1 to {MAX_FRAME_BYTES} bytes. Samples \
         without lengths are recorded with --input raw"
    )]
    Length { at: u64, length: u32 },
    #[error("standard input ends within a frame: {there} of its {wanted} bytes are there, and are left out")]
    Cut { there: usize, wanted: usize },
}

/// The frames of a stream.
pub struct Frames<R> {
    stream: R,
    layout: Layout,
    /// The bytes that were read.
    at: u64,
}

impl<R: Read> Frames<R> {
    pub fn new(stream: R, layout: Layout) -> Self {
        Self { stream, layout, at: 0 }
    }

    /// The next frame; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        match self.layout {
            Layout::Framed => self.framed(),
            Layout::Raw { frame_bytes, sample_bytes } => self.raw(frame_bytes, sample_bytes),
        }
    }

    fn framed(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let (start, length) = (self.at, self.bytes(4)?);
        let length = match <[u8; 4]>::try_from(length.as_slice()) {
            Ok(length) => u32::from_le_bytes(length),
            Err(_) if length.is_empty() => return Ok(None),
            Err(_) => return Err(FrameError::Cut { there: length.len(), wanted: 4 }),
        };
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if !(1..=MAX_FRAME_BYTES).contains(&wanted) {
            return Err(FrameError::Length { at: start, length });
        }
        let frame = self.bytes(wanted)?;
        if frame.len() < wanted {
            return Err(FrameError::Cut { there: frame.len(), wanted });
        }
        Ok(Some(frame))
    }

    /// The last frame may be shorter, but it has whole samples.
    fn raw(&mut self, frame_bytes: usize, sample_bytes: usize) -> Result<Option<Vec<u8>>, FrameError> {
        let mut frame = self.bytes(frame_bytes)?;
        frame.truncate(frame.len() / sample_bytes * sample_bytes);
        Ok(Some(frame).filter(|frame| !frame.is_empty()))
    }

    /// So many bytes, or less at the end.
    fn bytes(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(wanted);
        self.stream.by_ref().take(wanted as u64).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], layout: Layout) -> (Vec<Vec<u8>>, Option<String>) {
        let (mut frames, mut found) = (Frames::new(bytes, layout), Vec::new());
        loop {
            match frames.next() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error.to_string())),
            }
        }
    }

    #[test]
    fn frames_with_lengths_are_read_up_to_what_is_wrong() {
        let good = [&[2, 0, 0, 0, 7, 8][..], &[1, 0, 0, 0, 9]].concat();
        let frames = vec![vec![7, 8], vec![9]];
        assert_eq!(all(&good, Layout::Framed), (frames.clone(), None));
        assert_eq!(all(b"", Layout::Framed), (Vec::new(), None));
        for (rest, words) in [
            (&[0, 0, 0, 0][..], "byte 11 of standard input is no length of a frame: 0;"),
            (&[1, 0, 1, 0], "is no length of a frame: 65537;"),
            (b"RIFF", "is no length of a frame: 1179011410;"),
            (&[3, 0], "2 of its 4 bytes"),
            (&[3, 0, 0, 0, 1, 2], "2 of its 3 bytes"),
        ] {
            let (found, error) = all(&[&good, rest].concat(), Layout::Framed);
            let error = error.unwrap();
            assert!(found == frames && error.contains(words), "{rest:?}: {error}");
        }
    }

    #[test]
    fn samples_are_cut_into_frames_and_the_last_one_has_whole_samples() {
        let format = FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 2, frame_samples: 2 };
        let layout = raw(format).unwrap();
        assert_eq!(layout, Layout::Raw { frame_bytes: 8, sample_bytes: 4 });
        let bytes: Vec<u8> = (0..15).collect();
        assert_eq!(all(&bytes, layout), (vec![bytes[..8].to_vec(), bytes[8..12].to_vec()], None));
        assert_eq!(all(&bytes[..3], layout), (Vec::new(), None));
        assert_eq!(raw(FrameFormat { codec: Codec::Opus, ..format }), None);
        assert_eq!(raw(FrameFormat { frame_samples: 65_536, ..format }), None, "the frame would be too long");
    }
}
