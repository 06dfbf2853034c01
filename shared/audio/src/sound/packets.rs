//! Decodes the packets of a file and removes what the encoder added before and behind the audio.

use std::time::Duration;

use super::limits::{IMPOSSIBLE_RATE, NO_AUDIO, RATES};
use super::parts::{Coding, Edge, Part, Parts, Stream, Timestamp, micros};
use super::times::{TimeCheck, Times};
use crate::channels::{Tracks, widened};
use crate::error::AudioError;
use crate::frames::Damage;
use crate::grid::Grid;
use crate::packed::{Packer, Unpacker};
use crate::restartable_decoder::{Lead, Rolling};
use crate::sample_source::{SourcePosition, Step, Steps};

/// The most samples that an encoder adds behind the audio: MP3 has 12 bits for it. A file that claims to end earlier
/// states a wrong length, or another file follows in it.
pub(crate) const MOST_PADDING: usize = 4096;

/// A file's packets and their current decoder.
pub(super) struct Packets<'r> {
    parts: Box<dyn Parts + 'r>,
    decoder: Rolling,
    /// The stream that begins with the next step.
    next: Option<Stream>,
    skip: u64,
    promised: Option<u64>,
    promised_from_zero: bool,
    until: Option<u64>,
    data: Vec<u8>,
    packet: Vec<f32>,
    /// The number of channels in `held`.
    channels: usize,
    /// The last samples so far, interleaved, which may turn out to be padding.
    held: Vec<f32>,
    /// The counts that belong to the held samples and were not reported yet.
    owed: Step,
    /// The samples of this stream that were returned (per channel), and the bytes that it took.
    given: u64,
    bytes: u64,
    over: bool,
    /// The samples of this stream that were decoded (per channel), and the state of its timestamps.
    decoded: u64,
    times: Times,
    is_opus: bool,
    /// What streams promised and did not have.
    missing: Damage,
}

impl<'r> Packets<'r> {
    pub fn open(mut parts: Box<dyn Parts + 'r>) -> Result<Self, AudioError> {
        match parts.next(&mut Vec::new())? {
            Some(Part::Stream(stream)) => Self::of(parts, stream),
            _ => Err(NO_AUDIO),
        }
    }

    /// Begins with the packets of this stream.
    pub fn of(parts: Box<dyn Parts + 'r>, stream: Stream) -> Result<Self, AudioError> {
        let (skip, promised, is_opus) = (stream.skip, stream.promised, is_opus(&stream));
        let promised_from_zero = stream.promised_from_zero;
        let decoder = Rolling::new(stream.decoder()?, Grid::default().longest_lead() + HELD_AT_MOST);
        Ok(Self {
            parts,
            channels: decoder.channels().max(1),
            decoder,
            next: None,
            skip,
            promised,
            promised_from_zero,
            until: None,
            data: Vec::new(),
            packet: Vec::new(),
            held: Vec::new(),
            owed: Step::default(),
            given: 0,
            bytes: 0,
            over: false,
            decoded: 0,
            times: Times::default(),
            is_opus,
            missing: Damage::default(),
        })
    }

    fn begin(&mut self, stream: Stream) -> Result<(), AudioError> {
        (self.skip, self.promised, self.until) = (stream.skip, stream.promised, None);
        (self.given, self.bytes) = (0, 0);
        self.promised_from_zero = stream.promised_from_zero;
        (self.decoded, self.times, self.is_opus) = (0, Times::default(), is_opus(&stream));
        self.decoder.change(stream.decoder()?);
        // Nothing is held here.
        self.channels = self.decoder.channels().max(1);
        Ok(())
    }

    /// Ends a stream: returns its held samples, and counts what it promised and did not have.
    fn end(&mut self, out: &mut Vec<f32>) -> Step {
        self.drop_padding();
        let step = self.give(0, out);
        let late = self.times.first_us().filter(|_| self.promised_from_zero).unwrap_or(0);
        let late = late.saturating_mul(u64::from(self.rate())) / 1_000_000;
        let missing = self.promised.map_or(0, |promised| promised.saturating_sub(self.given).saturating_sub(late));
        // A loss that is already known is not counted twice.
        if missing > (self.packet.len() / self.channels).max(1) as u64 && !self.damage().beyond_packet {
            // As many bytes as the same time took before.
            let bytes = u128::from(self.bytes) * u128::from(missing) / u128::from(self.given.max(1));
            self.missing.lost(u64::try_from(bytes).unwrap_or(u64::MAX).max(1));
        }
        step
    }

    fn take(&mut self, step: Step) {
        if self.decoder.channels() > self.channels {
            self.held = widened(&self.held, self.channels, self.decoder.channels());
            self.channels = self.decoder.channels();
        }
        let decoded = self.packet.len() / self.channels;
        self.decoded += decoded as u64;
        let before = usize::try_from(self.skip).unwrap_or(usize::MAX).min(decoded);
        self.skip -= before as u64;
        self.held.extend_from_slice(&self.packet[before * self.channels..]);
        self.owed.frames += step.frames;
        self.owed.refused += step.refused;
        self.owed.leftover_bytes += step.leftover_bytes;
        self.owed.concealed += step.concealed;
    }

    /// Compares the time that passed in the file with the audio that was decoded meanwhile.
    fn compare(&mut self, time: Timestamp) {
        let rate = u64::from(self.rate());
        let check = self.times.compare(time, self.decoded, rate);
        // A loss that is already known is not counted twice.
        if check == TimeCheck::Whole || self.damage().beyond_packet {
            return;
        }
        self.missing.beyond_packet = true;
        if let TimeCheck::Missing(gap) = check {
            // As many bytes as the same time took before.
            let bytes = u128::from(self.bytes) * u128::from(gap) / u128::from(micros(self.decoded, rate).max(1));
            self.missing.lost(u64::try_from(bytes).unwrap_or(u64::MAX).max(1));
        }
    }

    /// Appends all held samples but the last `keep` (per channel). A frame counts when a sample of it, or of one near
    /// it, is returned.
    fn give(&mut self, keep: usize, out: &mut Vec<f32>) -> Step {
        let per_channel = self.held_per_channel().saturating_sub(keep);
        out.extend(self.held.drain(..per_channel * self.channels));
        self.given += per_channel as u64;
        let frames = if out.is_empty() { 0 } else { std::mem::take(&mut self.owed.frames) };
        let concealed = self.owed.concealed.min(per_channel as u64);
        self.owed.concealed -= concealed;
        let refused = std::mem::take(&mut self.owed.refused);
        let leftover_bytes = std::mem::take(&mut self.owed.leftover_bytes);
        Step { frames, refused, leftover_bytes, concealed }
    }

    fn held_per_channel(&self) -> usize {
        self.held.len() / self.channels
    }

    fn drop_padding(&mut self) {
        let held = self.held_per_channel();
        let padding = self.until.map_or(0, |until| (self.given + held as u64).saturating_sub(until));
        if padding <= MOST_PADDING as u64 {
            self.held.truncate(held.saturating_sub(padding as usize) * self.channels);
        }
    }
}

fn is_opus(stream: &Stream) -> bool {
    matches!(stream.coding, Coding::Opus)
}

impl Steps for Packets<'_> {
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
        if let Some(stream) = self.next.take() {
            self.begin(stream)?;
        }
        let time;
        match self.parts.next(&mut self.data)? {
            None => {
                self.over = true;
                return Ok(Some(self.end(out)));
            }
            Some(Part::Stream(stream)) => {
                self.next = Some(stream);
                return Ok(Some(self.end(out)));
            }
            Some(Part::Packet { until, time: at }) => (self.until, time) = (until, at),
        }
        if let Some(time) = time.filter(|time| time.edge == Edge::Start) {
            self.compare(time);
        }
        self.packet.clear();
        self.bytes += self.data.len() as u64;
        let step = self.decoder.decode(&self.data, 0, &mut self.packet);
        if !RATES.contains(&self.decoder.rate()) {
            return Err(IMPOSSIBLE_RATE);
        }
        let per_channel = (self.packet.len() / self.decoder.channels().max(1)) as u64;
        if self.is_opus {
            self.times.take_opus(self.data.len(), &self.packet, per_channel, u64::from(self.rate()));
        }
        self.take(step);
        if let Some(time) = time.filter(|time| time.edge == Edge::End) {
            self.compare(time);
        }
        // Moving the held samples takes time, so it is not done for every packet.
        let keep = if self.held_per_channel() < 2 * MOST_PADDING { usize::MAX } else { MOST_PADDING };
        Ok(Some(self.give(keep, out)))
    }

    fn damage(&self) -> Damage {
        self.parts.damage().and(self.missing)
    }

    fn restart(&mut self, lead: Duration, out: &mut Tracks) -> Result<Option<SourcePosition>, AudioError> {
        // Where a stream begins or ends, the packets before cannot lead the decoder.
        if self.skip > 0 || self.next.is_some() || self.over {
            return Ok(None);
        }
        let held = self.held_per_channel();
        let time = lead + Duration::from_micros(held as u64 * 1_000_000 / u64::from(self.rate().max(1)));
        let led = self.restart_decoder(Some(time), held, out);
        let (held, given, wide) = (held as u64, self.given, self.channels as u32);
        let of = |Lead { first, given: steps, .. }| SourcePosition { first, steps, byte: 0, held, given, wide };
        Ok(led.map(of))
    }

    /// A container is read from its start; only decoding begins at the restart point.
    fn resume_at(&mut self, to: &SourcePosition, out: &mut Tracks) -> Result<bool, AudioError> {
        self.decoder.forget();
        self.held.clear();
        while self.decoder.given() < to.steps {
            if let Some(stream) = self.next.take() {
                self.begin(stream)?;
            }
            match self.parts.next(&mut self.data)? {
                None => return Ok(false),
                Some(Part::Stream(stream)) => self.next = Some(stream),
                Some(Part::Packet { until, .. }) => {
                    self.until = until;
                    self.bytes += self.data.len() as u64;
                    if self.decoder.given() < to.first {
                        self.decoder.pass(1);
                    } else {
                        self.decoder.lead(&self.data, 0);
                    }
                }
            }
        }
        (self.skip, self.given) = (0, to.given);
        self.channels = to.wide.max(1) as usize;
        let Ok(held) = usize::try_from(to.held) else { return Ok(false) };
        Ok(self.restart_decoder(None, held, out).is_some())
    }

    fn pack(&self, to: &mut Packer) {
        let Step { frames, refused, leftover_bytes, concealed } = self.owed;
        [frames, refused, leftover_bytes, concealed, self.missing.dropped_bytes].iter().for_each(|one| to.put(*one));
        to.put(u8::from(self.missing.beyond_packet));
        to.put(self.decoded);
        self.times.pack(to);
    }

    fn unpack(&mut self, from: &mut Unpacker) -> Option<()> {
        self.owed =
            Step { frames: from.take()?, refused: from.take()?, leftover_bytes: from.take()?, concealed: from.take()? };
        self.missing = Damage { dropped_bytes: from.take()?, beyond_packet: from.take_flag()? };
        self.decoded = from.take()?;
        self.times = Times::unpack(from)?;
        Some(())
    }
}

/// The longest time of samples that are held back as possible padding: they are more than a packet, and last this long
/// only at 8 kHz.
const HELD_AT_MOST: Duration = Duration::from_millis(1_300);

impl Packets<'_> {
    /// Restarts the decoder with only the packets of this time. Of their samples, the last `held` are held back and the
    /// others appended.
    fn restart_decoder(&mut self, time: Option<Duration>, held: usize, out: &mut Tracks) -> Option<Lead> {
        let (mut sounds, mut last, wide) = (Vec::new(), 0, self.channels);
        let lead = self.decoder.restart(time, &mut |piece, channels| {
            last = sounds.len();
            match channels < wide {
                true => sounds.extend(widened(piece, channels, wide)),
                false => sounds.extend_from_slice(piece),
            }
        })?;
        self.packet.clear();
        self.packet.extend_from_slice(&sounds[last..]);
        let held = held * wide;
        if sounds.len() < held {
            // The old decoder's samples were longer; the part that the new one does not know is silence.
            sounds.splice(0..0, std::iter::repeat_n(0.0, held - sounds.len()));
        }
        let given = sounds.len() - held;
        out.push(&sounds[..given], wide);
        self.held.clear();
        self.held.extend_from_slice(&sounds[given..]);
        Some(lead)
    }
}
