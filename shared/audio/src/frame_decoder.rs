//! What every codec does: a frame becomes samples of all its channels.

/// What a decoder made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The samples were appended. `leftover` bytes at the frame's end are no whole sample.
    Audio { leftover: usize },
    /// The samples were appended, but the frame does not look like the others of its recording: it is heard, and counts
    /// as concealed, so that a file of such frames is never called silent.
    Doubted,
    /// The frame is not one of this codec; nothing was appended.
    Refused,
}

/// The decoder of one recording. It keeps its state from frame to frame, and its caller keeps the buffers.
///
/// A codec that can hide a loss (Opus, LC3) does so in `conceal`; one that packs its own rate into its frames (AAC) answers
/// `rate` with what it really gives. What reads a sound file feeds the packets of its container to the same trait.
pub trait FrameDecoder: Send {
    /// Samples a second of what it appends. Asked before the first frame and after each.
    fn rate(&self) -> u32;

    /// Channels of what it appends. Asked after each frame; it only ever becomes greater.
    fn channels(&self) -> usize;

    /// Appends the frame's samples to `out`: within -1 and 1, those of all channels for one moment side by side.
    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded;

    /// Appends what stands in for a refused frame, as long as that frame was, so that later audio keeps its time.
    fn conceal(&mut self, frame: &[u8], out: &mut Vec<f32>);

    /// Another one, as this one was before its first frame. `None`: there can be none, and nobody begins in the middle.
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        None
    }
}
