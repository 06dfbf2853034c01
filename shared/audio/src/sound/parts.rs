//! The parts that every container is split into: streams, and the packets of each.

use super::limits::{IMPOSSIBLE_RATE, RATES};
use crate::error::AudioError;
use crate::frame_decoder::FrameDecoder;
use crate::frames::Damage;
use crate::opus::Opus;

use super::window::Window;

/// The length of an Opus packet in a sound file, as it is assumed before the first one: 20 ms at 16 kHz.
pub(crate) const OPUS_SAMPLES: usize = 320;

/// How the packets of a stream are coded.
pub(crate) enum Coding {
    /// Opus packets, which some engines accept directly.
    Opus,
    Decoder(Box<dyn FrameDecoder>),
}

/// Packets that are decoded by one decoder.
pub(crate) struct Stream {
    pub coding: Coding,
    /// The samples that the encoder put before the audio.
    pub skip: u64,
    /// The least number of samples that the file says the stream has; fewer are damage.
    pub promised: Option<u64>,
    /// The promised samples count from time 0, not from the first packet.
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

/// The next part of a file.
pub(crate) enum Part {
    /// The packets that follow belong to another stream than those before.
    Stream(Stream),
    /// A packet, whose bytes are in the caller's buffer.
    Packet {
        /// The length of the stream in samples, if it is known; samples of its last packets beyond this are padding.
        until: Option<u64>,
        /// The file's time for the packet, if there is one.
        time: Option<Timestamp>,
    },
}

/// A time that a file gives to a packet. Times are only compared with one another, because a stream may begin at any
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    pub micros: u64,
    pub edge: Edge,
    /// How many microseconds the time may run ahead of the audio since the timestamp before. More means that audio is
    /// missing.
    pub tolerance: u64,
}

/// The end of a packet that a timestamp belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

/// Converts `time` to microseconds, with `units` in a second.
pub(super) fn micros(time: u64, units: u64) -> u64 {
    (u128::from(time) * 1_000_000 / u128::from(units.max(1))).try_into().unwrap_or(u64::MAX)
}

/// A sound file split into its parts. The first one is a stream.
pub(crate) trait Parts {
    /// Returns the next part; `None` at the end of what can be used. A packet's bytes replace the content of `packet`.
    fn next(&mut self, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError>;

    /// The damage found; complete once there are no more parts.
    fn damage(&self) -> Damage;
}

/// One container within the bytes of a file.
pub(super) trait Container {
    /// Like [`Parts::next`], but also returns `None` where bytes begin that do not belong to this container.
    fn next(&mut self, window: &mut Window, packet: &mut Vec<u8>) -> Result<Option<Part>, AudioError>;

    /// The damage found; complete once there are no more parts.
    fn damage(&self) -> Damage;
}

impl Damage {
    /// Counts the bytes of one packet at the end that the recorder did not finish.
    pub(super) fn unfinished(&mut self, bytes: u64) {
        self.dropped_bytes = self.dropped_bytes.saturating_add(bytes);
    }

    /// Counts bytes that may have been any number of packets.
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
