//! The common interface of frame files and sound files as sources of samples, which are read step by step.

use std::time::Duration;

use crate::channels::Tracks;
use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::frames::Damage;
use crate::packed::{Packer, Unpacker};

/// The result of a step through a recording, besides its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Frames that gave samples of their own.
    pub frames: u64,
    /// Frames that the decoder refused.
    pub refused: u64,
    pub leftover_bytes: u64,
    /// Samples per channel, among those that were appended, that replace something or are doubted.
    pub concealed: u64,
}

/// A source of samples: a file of frames, or a sound file.
pub(crate) trait Steps {
    /// The sample rate of the last step's samples; before the first step, the rate that is expected.
    fn rate(&self) -> u32;

    /// The number of channels in the last step's samples; it never decreases.
    fn channels(&self) -> usize;

    /// Appends the next samples, interleaved, possibly none. Returns `None` at the end of what can be used.
    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError>;

    /// The damage found; complete once the steps have ended.
    fn damage(&self) -> Damage;

    /// Restarts at a restart point that has passed: from here on the source decodes as if it had received only the
    /// packets of the last `_lead`. Appends the samples of these packets, up to the current position, as
    /// [`step`](Self::step) would. Returns `None` if nothing was changed and decoding cannot restart here.
    fn restart(&mut self, _lead: Duration, _out: &mut Tracks) -> Result<Option<SourcePosition>, AudioError> {
        Ok(None)
    }

    /// Goes to such a position without decoding what lies before its lead. Returns false if the file has no such
    /// position.
    fn resume_at(&mut self, _to: &SourcePosition, _out: &mut Tracks) -> Result<bool, AudioError> {
        Ok(false)
    }

    /// Saves, for a run that continues here, what was met and will be reported only by a later step or at the end.
    fn pack(&self, _to: &mut Packer) {}

    /// Restores what [`pack`](Self::pack) saved, once the source is at that restart point. `None` means damage.
    fn unpack(&mut self, _from: &mut Unpacker) -> Option<()> {
        Some(())
    }
}

/// A position of a source at which decoding can restart. A step is a packet, or whatever the source returns at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SourcePosition {
    /// The first step that has to be decoded to reach the position.
    pub first: u64,
    /// The number of steps up to the position, including those that lead to it.
    pub steps: u64,
    /// The position in the file at which the first step begins; 0 if the file has to be read from its start.
    pub byte: u64,
    /// Samples per channel that the source has decoded and not returned yet.
    pub held: u64,
    /// Samples per channel that the source has returned since its stream began, if that matters.
    pub given: u64,
    /// The number of channels so far, if the source learns it only from its packets.
    pub wide: u32,
}

/// Decodes one frame, and conceals it if it is refused. Afterwards `out` holds nothing but the frame's samples.
pub(crate) fn decode(decoder: &mut dyn FrameDecoder, frame: &[u8], out: &mut Vec<f32>) -> Step {
    let own = |out: &Vec<f32>| u64::from(!out.is_empty());
    match decoder.decode(frame, out) {
        Decoded::Audio { leftover } => Step { frames: own(out), leftover_bytes: leftover as u64, ..Step::default() },
        Decoded::Doubted => Step { frames: own(out), concealed: samples_per_channel(decoder, out), ..Step::default() },
        Decoded::Refused => {
            // Samples of a decoder that failed half way do not count.
            out.clear();
            decoder.conceal(frame, out);
            Step { refused: 1, concealed: samples_per_channel(decoder, out), ..Step::default() }
        }
    }
}

fn samples_per_channel(decoder: &dyn FrameDecoder, samples: &[f32]) -> u64 {
    (samples.len() / decoder.channels().max(1)) as u64
}
