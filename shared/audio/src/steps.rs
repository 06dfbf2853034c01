//! How samples come from a source, step by step: what a frame file and a sound file have in common.

use std::time::Duration;

use crate::channels::Tracks;
use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::frames::Damage;
use crate::moments::Moment;
use crate::packed::{Packer, Unpacker};

/// What a step through a recording gave, besides its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Frames that gave samples of their own.
    pub frames: u64,
    /// Frames that the decoder refused.
    pub refused: u64,
    pub leftover_bytes: u64,
    /// Moments among those that were appended that stand in for something, or are doubted.
    pub concealed: u64,
}

/// Where samples come from: a file of frames, or a sound file.
pub(crate) trait Steps {
    /// Samples a second of the samples that the last step gave, and before the first step of those that it will give.
    fn rate(&self) -> u32;

    /// Channels of the samples that the last step gave; it only ever becomes greater.
    fn channels(&self) -> usize;

    /// Appends the next samples, those of all channels for one moment side by side, possibly none; `None` at the end of
    /// what can be used.
    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError>;

    /// Complete once the steps are over.
    fn damage(&self) -> Damage;

    /// A fixed moment has passed: from here on the source sounds as to somebody who heard nothing but the last packets of
    /// this time. Gives out what these sound like, up to where it stands, as [`step`](Self::step) would. `None`: it goes
    /// on as it was, and nobody can begin here.
    fn begin_anew(&mut self, _lead: Duration, _out: &mut Tracks) -> Result<Option<Led>, AudioError> {
        Ok(None)
    }

    /// Goes to such a moment without decoding what lies before its lead. False when the file has no such place.
    fn go_on_at(&mut self, _moment: &Moment, _out: &mut Tracks) -> Result<bool, AudioError> {
        Ok(false)
    }

    /// What has been met and was not told in a step yet, or in the damage only at the end; for who goes on here.
    fn pack(&self, _to: &mut Packer) {}

    /// As [`pack`](Self::pack) gave it, once it stands at that moment. `None` is damage.
    fn unpack(&mut self, _from: &mut Unpacker) -> Option<()> {
        Some(())
    }
}

/// What a source knows of where it began anew: fields of [`Moment`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Led {
    pub first: u64,
    pub steps: u64,
    pub byte: u64,
    pub held: u64,
    pub given: u64,
    pub wide: u32,
}

/// One frame, concealed when it is refused. Nothing but the frame's samples is in `out` afterwards.
pub(crate) fn decode(decoder: &mut dyn FrameDecoder, frame: &[u8], out: &mut Vec<f32>) -> Step {
    let own = |out: &Vec<f32>| u64::from(!out.is_empty());
    match decoder.decode(frame, out) {
        Decoded::Audio { leftover } => Step { frames: own(out), leftover_bytes: leftover as u64, ..Step::default() },
        Decoded::Doubted => Step { frames: own(out), concealed: moments(decoder, out), ..Step::default() },
        Decoded::Refused => {
            // A decoder that failed half way left nothing that counts.
            out.clear();
            decoder.conceal(frame, out);
            Step { refused: 1, concealed: moments(decoder, out), ..Step::default() }
        }
    }
}

fn moments(decoder: &dyn FrameDecoder, samples: &[f32]) -> u64 {
    (samples.len() / decoder.channels().max(1)) as u64
}
