//! Parses the header before Opus packets in an Ogg file (RFC 7845).

use super::parts::Stream;
use super::surround::{Layout, Surround};
use crate::error::AudioError;
use crate::resample::RATE;

/// The rate of Opus granule positions in Ogg, whatever the original rate was.
pub(super) const GRANULE_RATE: u64 = 48_000;
/// The greatest pre-skip that is believed. No encoder adds more before the audio; someone who cut the recording like
/// that did not delete what is before.
const MOST_PRE_SKIP: u16 = 48_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpusHead {
    pre_skip: u16,
    /// The layout, if a packet holds more than one stream.
    layout: Option<Layout>,
}

impl OpusHead {
    pub fn read(packet: &[u8]) -> Option<Self> {
        let (head, table) = packet.split_at_checked(19)?;
        let is_head = head.starts_with(b"OpusHead") && head[8] >> 4 == 0;
        let pre_skip = u16::from_le_bytes([head[10], head[11]]);
        if is_head { Self::of(head[9], pre_skip, head[18], table) } else { None }
    }

    /// `table` holds the bytes behind the mapping family.
    pub fn of(channels: u8, pre_skip: u16, family: u8, table: &[u8]) -> Option<Self> {
        let layout = match (family, channels) {
            (0, 1 | 2) => None,
            _ => Some(Layout::read(channels, family, table)?),
        };
        Some(Self { pre_skip: if pre_skip > MOST_PRE_SKIP { 0 } else { pre_skip }, layout })
    }

    pub fn stream(&self) -> Result<Stream, AudioError> {
        let skip = u64::from(self.pre_skip) * u64::from(RATE) / GRANULE_RATE;
        match &self.layout {
            None => Ok(Stream::opus(skip)),
            Some(layout) => Ok(Stream { skip, ..Stream::of(Surround::new(layout.clone())?)? }),
        }
    }

    /// The number of samples up to a granule position.
    pub fn samples(&self, granule: u64) -> u64 {
        let audio = granule.saturating_sub(u64::from(self.pre_skip));
        (u128::from(audio) * u128::from(RATE)).div_ceil(u128::from(GRANULE_RATE)).try_into().unwrap_or(u64::MAX)
    }
}
