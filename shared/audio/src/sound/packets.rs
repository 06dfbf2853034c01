//! The packets of a container, decoded: without what the encoder added before the audio and behind it.

use super::{Container, IMPOSSIBLE_RATE, RATES};
use crate::channels::widened;
use crate::decode::FrameDecoder;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::samples::{Step, Steps, decode};

/// The most that an encoder adds behind the audio, in samples: MP3 has 12 bits to say it. A file that claims to end
/// earlier than that lies, or another one follows in it.
const MOST_PADDING: usize = 4096;

/// A container and its decoder.
pub(super) struct Packets<C, D> {
    container: C,
    decoder: D,
    skip: u64,
    until: Option<u64>,
    packet: Vec<f32>,
    /// Of what is held.
    channels: usize,
    /// The last samples so far, which may turn out to be padding. They are counted in moments: one sample a channel.
    held: Vec<f32>,
    /// What is still to be told of them.
    owed: Step,
    given: u64,
    over: bool,
}

impl<C: Container, D: FrameDecoder> Packets<C, D> {
    pub fn boxed<'r>(container: C, decoder: D) -> Box<dyn Steps + 'r>
    where
        C: 'r,
        D: 'r,
    {
        let skip = container.skip();
        let (packet, held, owed) = (Vec::new(), Vec::new(), Step::default());
        let channels = decoder.channels().max(1);
        Box::new(Self { container, decoder, skip, until: None, packet, channels, held, owed, given: 0, over: false })
    }

    fn take(&mut self, step: Step) {
        if self.decoder.channels() > self.channels {
            self.held = widened(&self.held, self.channels, self.decoder.channels());
            self.channels = self.decoder.channels();
        }
        let before = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.packet.len() / self.channels);
        self.skip -= before as u64;
        self.held.extend_from_slice(&self.packet[before * self.channels..]);
        self.owed.frames += step.frames;
        self.owed.refused += step.refused;
        self.owed.concealed += step.concealed;
    }

    /// Gives all that is held but for the last `keep` moments. A frame counts when a sample of it, or of one near it,
    /// is given.
    fn give(&mut self, keep: usize, out: &mut Vec<f32>) -> Step {
        let moments = self.held_moments().saturating_sub(keep);
        out.extend(self.held.drain(..moments * self.channels));
        self.given += moments as u64;
        let frames = if out.is_empty() { 0 } else { std::mem::take(&mut self.owed.frames) };
        let concealed = self.owed.concealed.min(moments as u64);
        self.owed.concealed -= concealed;
        let refused = std::mem::take(&mut self.owed.refused);
        Step { frames, refused, concealed, ..Step::default() }
    }

    fn held_moments(&self) -> usize {
        self.held.len() / self.channels
    }

    fn drop_padding(&mut self) {
        let held = self.held_moments();
        let padding = self.until.map_or(0, |until| (self.given + held as u64).saturating_sub(until));
        if padding <= MOST_PADDING as u64 {
            self.held.truncate(held.saturating_sub(padding as usize) * self.channels);
        }
    }
}

impl<C: Container, D: FrameDecoder> Steps for Packets<C, D> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        if self.over {
            return Ok(None);
        }
        let Some(part) = self.container.next()? else {
            self.over = true;
            self.drop_padding();
            return Ok(Some(self.give(0, out)));
        };
        self.until = part.until;
        self.packet.clear();
        let step = decode(&mut self.decoder, part.data, &mut self.packet);
        if !RATES.contains(&self.decoder.rate()) {
            return Err(IMPOSSIBLE_RATE);
        }
        self.take(step);
        // Moving what is held costs time: not for every packet.
        let keep = if self.held_moments() < 2 * MOST_PADDING { usize::MAX } else { MOST_PADDING };
        Ok(Some(self.give(keep, out)))
    }

    fn damage(&self) -> Damage {
        self.container.damage()
    }
}
