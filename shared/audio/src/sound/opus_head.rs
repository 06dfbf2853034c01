//! What stands before Opus packets in an Ogg file (RFC 7845).

use crate::resample::RATE;

/// Ogg counts Opus at this rate, whatever it was made from.
pub(super) const GRANULE_RATE: u64 = 48_000;

#[derive(Clone)]
pub(super) struct OpusHead {
    pre_skip: u16,
}

impl OpusHead {
    /// Files of one or two channels: others interleave several streams in a packet.
    pub fn read(packet: &[u8]) -> Option<Self> {
        match packet {
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, 1 | 2, a, b, _, _, _, _, _, _, 0, ..]
                if version >> 4 == 0 =>
            {
                Some(Self { pre_skip: u16::from_le_bytes([*a, *b]) })
            }
            _ => None,
        }
    }

    /// What the encoder put before the audio, in samples.
    pub fn skip(&self) -> u64 {
        in_samples(self.pre_skip)
    }

    /// The samples up to a place in the file.
    pub fn samples(&self, granule: u64) -> u64 {
        let audio = granule.saturating_sub(u64::from(self.pre_skip));
        (u128::from(audio) * u128::from(RATE)).div_ceil(u128::from(GRANULE_RATE)).try_into().unwrap_or(u64::MAX)
    }
}

/// What stands before the audio, as files say it, in samples.
pub(super) fn in_samples(pre_skip: u16) -> u64 {
    u64::from(pre_skip) * u64::from(RATE) / GRANULE_RATE
}
