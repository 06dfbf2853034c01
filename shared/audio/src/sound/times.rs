//! Compares the times that a file gives to the packets of a stream with the audio in them. If the time runs ahead of
//! the audio, packets were cut out of the file: many at once, or a few again and again.

use super::parts::{Edge, Timestamp, micros};
use crate::packed::{Packer, Unpacker};

/// What is missing since the first timestamp may add up to this, plus a fiftieth of the time: clocks of recorders
/// drift, and live times are irregular. A single stall may be longer, if the container's tolerance allows it.
const MOST_DRIFT_US: u64 = 1_000_000;
const DRIFT_SHARE: u64 = 50;
/// Times that go back by more than this mean that packets are in a wrong order.
const MOST_BACK_US: u64 = 1_000_000;
/// A shorter gap is a rounding error.
const LEAST_GAP_US: u64 = 10_000;

/// The greatest size of a packet without audio. An Opus encoder with DTX writes such packets for silence: only the byte
/// with the configuration, and at most a length. Packets behind it may be left out.
const MOST_EMPTY: usize = 3;
/// Some recorders also leave out the first of these packets. libopus begins with it after 200 ms of silence, and sends
/// a packet with audio every 400 ms, of at most 60 ms.
const LEAST_QUIET_US: u64 = 200_000;
const MOST_LEFT_OUT_US: u64 = 395_000;
const LONGEST_PACKET_US: u64 = 60_000;
const QUIET: f32 = 0.02;

/// What a timestamp reveals about a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TimeCheck {
    Whole,
    /// This many microseconds of audio are missing.
    Missing(u64),
    Disordered,
}

/// A timestamp, and the number of samples that were decoded before it.
#[derive(Clone, Copy, Default)]
struct Stamp {
    micros: u64,
    decoded: u64,
}

/// The audio before a position in an Opus stream: the time since the last gap, and how much of that is quiet at its
/// end.
#[derive(Clone, Copy, Default)]
struct AudioBefore {
    is_empty: bool,
    quiet_us: u64,
    since_gap_us: u64,
}

/// The state of the times of a stream.
#[derive(Default)]
pub(super) struct Times {
    is_begun: bool,
    first: Stamp,
    last: Stamp,
    latest_us: u64,
    longest_gap_us: u64,
    /// The time that the encoder left out, and whether it left out the last gap.
    left_out_us: u64,
    is_leaving_out: bool,
    /// The audio before the last packet, and before the last timestamp.
    before: AudioBefore,
    before_last: AudioBefore,
}

impl Times {
    /// The first timestamp of the stream, if there is one.
    pub fn first_us(&self) -> Option<u64> {
        self.is_begun.then_some(self.first.micros)
    }

    /// Takes the size and the samples of an Opus packet.
    pub fn take_opus(&mut self, bytes: usize, samples: &[f32], per_channel: u64, rate: u64) {
        let lasts = micros(per_channel, rate);
        let AudioBefore { is_empty, quiet_us, since_gap_us } = &mut self.before;
        *is_empty = bytes <= MOST_EMPTY;
        *since_gap_us += lasts;
        *quiet_us = if samples.iter().all(|sample| sample.abs() < QUIET) { *quiet_us + lasts } else { 0 };
    }

    /// Takes a timestamp and the number of samples that were decoded before it. The difference to the first timestamp
    /// counts, not a sum of gaps, so that irregular times do not add up.
    pub fn compare(&mut self, time: Timestamp, decoded: u64, rate: u64) -> TimeCheck {
        let now = Stamp { micros: time.micros, decoded };
        let back = self.latest_us.saturating_sub(now.micros);
        let before = match time.edge {
            Edge::Start => self.before,
            Edge::End => self.before_last,
        };
        let last = std::mem::replace(&mut self.last, now);
        self.before_last = self.before;
        self.latest_us = self.latest_us.max(now.micros);
        if !std::mem::replace(&mut self.is_begun, true) {
            self.first = now;
            return TimeCheck::Whole;
        }
        let passed = |from: Stamp| now.micros.saturating_sub(from.micros);
        let ahead = |from: Stamp| passed(from).saturating_sub(micros(decoded.saturating_sub(from.decoded), rate));
        let gap = ahead(last);
        self.count(gap, before);
        let drift = ahead(self.first).saturating_sub(self.left_out_us);
        let most = self.longest_gap_us.max(MOST_DRIFT_US).saturating_add(passed(self.first) / DRIFT_SHARE);
        if back > MOST_BACK_US {
            TimeCheck::Disordered
        } else if gap > time.tolerance {
            TimeCheck::Missing(gap)
        } else if drift > most {
            TimeCheck::Missing(drift)
        } else {
            TimeCheck::Whole
        }
    }

    /// Counts a gap behind this audio: the encoder left it out, or its reason is unknown.
    fn count(&mut self, gap: u64, before: AudioBefore) {
        if gap < LEAST_GAP_US {
            return;
        }
        let goes_on = self.is_leaving_out
            && before.quiet_us == before.since_gap_us
            && (1..=LONGEST_PACKET_US).contains(&before.quiet_us);
        self.is_leaving_out =
            before.is_empty || gap <= MOST_LEFT_OUT_US && (goes_on || before.quiet_us >= LEAST_QUIET_US);
        match self.is_leaving_out {
            true => self.left_out_us = self.left_out_us.saturating_add(gap),
            false => self.longest_gap_us = self.longest_gap_us.max(gap),
        }
        // Audio before the gap does not count for the next one.
        for place in [&mut self.before, &mut self.before_last] {
            place.quiet_us = place.quiet_us.saturating_sub(before.quiet_us);
            place.since_gap_us = place.since_gap_us.saturating_sub(before.since_gap_us);
        }
    }

    fn numbers(&self) -> [u64; 13] {
        let Self { first, last, before, before_last, .. } = self;
        [
            first.micros,
            first.decoded,
            last.micros,
            last.decoded,
            self.latest_us,
            self.longest_gap_us,
            self.left_out_us,
            before.quiet_us,
            before.since_gap_us,
            before_last.quiet_us,
            before_last.since_gap_us,
            u64::from(before.is_empty),
            u64::from(before_last.is_empty),
        ]
    }

    pub fn pack(&self, to: &mut Packer) {
        self.numbers().iter().for_each(|one| to.put(*one));
        [self.is_begun, self.is_leaving_out].iter().for_each(|one| to.put(u8::from(*one)));
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        let mut stamp = || Some(Stamp { micros: from.take()?, decoded: from.take()? });
        let (first, last) = (stamp()?, stamp()?);
        let (latest_us, longest_gap_us, left_out_us) = (from.take()?, from.take()?, from.take()?);
        let mut before = || Some(AudioBefore { is_empty: false, quiet_us: from.take()?, since_gap_us: from.take()? });
        let (before, before_last) = (before()?, before()?);
        Some(Self {
            first,
            last,
            latest_us,
            longest_gap_us,
            left_out_us,
            before: AudioBefore { is_empty: from.take_flag()?, ..before },
            before_last: AudioBefore { is_empty: from.take_flag()?, ..before_last },
            is_begun: from.take_flag()?,
            is_leaving_out: from.take_flag()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half of the audio is missing; a run that continues at a checkpoint finds that at the same position.
    #[test]
    fn checkpoint_keeps_state_of_times() {
        let mut whole = Times::default();
        let mut resumed = Times::default();
        let mut checks = Vec::new();
        for n in 0..20 {
            let mut packed = Packer::default();
            resumed.pack(&mut packed);
            resumed = Times::unpack(&mut Unpacker::of(&packed.bytes)).unwrap();
            let time = Timestamp { micros: 3_000_000 + n * 200_000, edge: Edge::Start, tolerance: 500_000 };
            checks.push(whole.compare(time, n * 1_600, 16_000));
            assert_eq!(resumed.compare(time, n * 1_600, 16_000), checks[n as usize]);
            for times in [&mut whole, &mut resumed] {
                times.take_opus(40, &[0.5; 1_600], 1_600, 16_000);
            }
        }
        assert_eq!((&checks[10], &checks[11]), (&TimeCheck::Whole, &TimeCheck::Missing(1_100_000)));
    }
}
