//! The trait of all codecs: a frame becomes samples of all its channels.

/// The result of decoding a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The samples were appended. `leftover` bytes at the end of the frame do not make a whole sample.
    Audio { leftover: usize },
    /// The samples were appended, but the frame does not look like the others of its recording. It is heard and counts
    /// as concealed, so that a file of such frames is never called silent.
    Doubted,
    /// The frame is not one of this codec; nothing was appended.
    Refused,
}

/// The decoder of one recording. It keeps its state from frame to frame; the buffers belong to its caller.
///
/// A codec that can hide a loss (Opus, LC3) does so in `conceal`. One whose frames state their own rate (AAC) returns
/// the real rate from `rate`. Readers of sound files feed the packets of their container to the same trait.
pub trait FrameDecoder: Send {
    /// The sample rate of the output. Callers ask before the first frame and after each frame.
    fn rate(&self) -> u32;

    /// The number of channels in the output. Callers ask after each frame; the number never decreases.
    fn channels(&self) -> usize;

    /// Appends the frame's samples to `out`: between -1 and 1, with the channels interleaved.
    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded;

    /// Appends a replacement for a refused frame, as long as that frame was, so that later audio keeps its time.
    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>);

    /// Returns another decoder in the state of this one before its first frame. `None` means that there can be none, so
    /// decoding cannot restart in the middle.
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        None
    }
}
