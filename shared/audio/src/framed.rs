//! Reads a file of device frames as a source of samples.

use std::time::Duration;

use crate::channels::Tracks;
use crate::error::AudioError;
use crate::frames::{Damage, Frames};
use crate::packed::{Packer, Unpacker};
use crate::restartable_decoder::{Lead, Rolling};
use crate::sample_source::{SourcePosition, Step, Steps};
use crate::sound;

/// A frame file: each step is a frame.
pub(crate) struct Framed<'r> {
    frames: Frames<'r>,
    decoder: Rolling,
}

impl<'r> Framed<'r> {
    pub fn new(frames: Frames<'r>, decoder: Rolling) -> Self {
        Self { frames, decoder }
    }
}

impl Steps for Framed<'_> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> usize {
        self.decoder.channels()
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        let place = self.frames.place();
        match self.frames.next_frame()? {
            Some(frame) => Ok(Some(self.decoder.decode(frame, place, out))),
            None => sound::recognise(self.frames.head()).map_or(Ok(None), |kind| Err(kind.wrongly_named())),
        }
    }

    fn damage(&self) -> Damage {
        self.frames.damage()
    }

    fn restart(&mut self, lead: Duration, out: &mut Tracks) -> Result<Option<SourcePosition>, AudioError> {
        let led = self.decoder.restart(Some(lead), &mut |samples, channels| out.push(samples, channels));
        Ok(led.map(|Lead { first, place, given }| SourcePosition {
            first,
            steps: given,
            byte: place,
            ..SourcePosition::default()
        }))
    }

    fn resume_at(&mut self, to: &SourcePosition, out: &mut Tracks) -> Result<bool, AudioError> {
        self.decoder.forget();
        while self.decoder.given() < to.steps {
            let place = self.frames.place();
            let Some(frame) = self.frames.next_frame()? else { return Ok(false) };
            if self.decoder.given() < to.first {
                self.decoder.pass(1);
            } else {
                self.decoder.lead(frame, place);
            }
        }
        Ok(self.decoder.restart(None, &mut |samples, channels| out.push(samples, channels)).is_some())
    }

    fn pack(&self, to: &mut Packer) {
        self.frames.pack(to);
    }

    fn unpack(&mut self, from: &mut Unpacker) -> Option<()> {
        self.frames.unpack(from)
    }
}
