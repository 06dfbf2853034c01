//! What every container is taken apart into: streams, and the packets of each.

use super::limits::{IMPOSSIBLE_RATE, RATES};
use crate::error::AudioError;
use crate::frame_decoder::FrameDecoder;
use crate::frames::Damage;
use crate::opus::Opus;

use super::window::Window;

/// How long an Opus packet of a sound file lasts, as far as is known before the first: 20 ms at 16 kHz.
pub(crate) const OPUS_SAMPLES: usize = 320;

/// How the packets of a stream are coded.
pub(crate) enum Coding {
    /// Opus packets, which some engines take as they are.
    Opus,
    Decoder(Box<dyn FrameDecoder>),
}

/// A stream of packets that one decoder reads.
pub(crate) struct Stream {
    pub coding: Coding,
    /// What the encoder put before the audio, in samples.
    pub skip: u64,
    /// How many samples the file says that the stream has, at least: fewer are damage.
    pub promised: Option<u64>,
    /// The promise counts from time 0, and not from the first packet.
    pub promised_from_zero: bool,
}

impl Stream {
    pub fn opus(skip: u64) -> Self {
        Self { coding: Coding::Opus, skip, promised: None, promised_from_zero: false }
    }

    pub fn of(decoder: impl FrameDecoder + 'static) -> Result<Self, AudioError> {
        if !RATES.contains(&decoder.rate()) {
            return Err(IMPOSSIBLE_RATE);
        }
        let coding = Coding::Decoder(Box::new(decoder));
        Ok(Self { coding, skip: 0, promised: None, promised_from_zero: false })
    }

    pub fn decoder(self) -> Result<Box<dyn FrameDecoder>, AudioError> {
        match self.coding {
            Coding::Opus => Ok(Box::new(Opus::lasting(OPUS_SAMPLES)?)),
            Coding::Decoder(decoder) => Ok(decoder),
        }
    }
}

/// What stands next in a file.
pub(crate) enum Part {
    /// What follows belongs to another stream than what was before.
    Stream(Stream),
    /// The bytes are where the caller wanted them.
    Packet {
        /// How long the stream is, in samples, when that is known: what its last packets hold beyond it is none of it.
        until: Option<u64>,
        /// What the file says of the packet's time, where it says anything.
        time: Option<Timestamp>,
    },
}

/// A time that a file gives to a packet. Times are only compared with one another: a stream may begin at any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub micros: u64,
    pub edge: Edge,
    /// By so many microseconds the time may run ahead of the audio since the timestamp before. More is audio that is
    /// missing.
    pub tolerance: u64,
}

/// The side of a packet that a timestamp belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

/// `time` in microseconds, of which there are so many units in a second.
pub(super) fn micros(time: u64, units: u64) -> u64 {
    (u128::from(time) * 1_000_000 / u128::from(units.max(1))).try_into().unwrap_or(u64::MAX)
}

/// A sound file as the parts that it is made of. The first one is a stream.
pub(crate) trait Parts {
    /// `None` at the end of what can be used. A packet's bytes are all that is in `packet` afterwards.
    fn next(&mut self, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError>;

    /// Complete once there are no more parts.
    fn damage(&self) -> Damage;
}

/// One container within the bytes of a file.
pub(super) trait Container {
    /// As [`Parts::next`]; `None` also where bytes stand that do not belong to this container.
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError>;

    /// Complete once there are no more parts.
    fn damage(&self) -> Damage;
}

impl Damage {
    /// One packet that its recorder did not finish, at the end.
    pub(super) fn unfinished(&mut self, bytes: u64) {
        self.dropped_bytes = self.dropped_bytes.saturating_add(bytes);
    }

    /// Bytes that may have been any number of packets.
    pub(super) fn lost(&mut self, bytes: u64) {
        self.beyond_packet |= bytes > 0;
        self.unfinished(bytes);
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            dropped_bytes: self.dropped_bytes.saturating_add(other.dropped_bytes),
            beyond_packet: self.beyond_packet || other.beyond_packet,
        }
    }
}
