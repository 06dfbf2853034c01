//! The levels of a recording: by which factor its samples are multiplied in each stretch of time, and how its channels are
//! mixed to one. They are decided once, from the whole recording, so that a later delivery cuts the same audio that the
//! plan was made from.

use crate::gain::Gain;

/// The most stretches of one recording: in two days one every 14 seconds. Neighbours of about the same level are joined.
pub const MAX_STRETCHES: usize = 12_000;
/// The most bytes that packed levels take.
pub const MAX_LEVELS_BYTES: usize = 48 * 1024;

/// Stretches begin at whole tenths of a second.
const TENTH_MS: u32 = 100;
/// A factor is kept in steps of half a decibel.
const STEPS_A_DECADE: f32 = 40.0;
const MIX_BITS: u32 = 3;
/// Factors within twelve decibels of the recorded level. Any engine copes with audio in this range.
const NEAR: std::ops::RangeInclusive<f32> = 0.25..=4.0;

/// How the channels of a recording are mixed to one. With one channel, [`Mix::Mid`] is that channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mix {
    /// Half the sum of all channels, for channels that hold about the same.
    #[default]
    Mid,
    /// Half the difference, for two channels of which one is the other with its sign inverted.
    Side,
    Left,
    Right,
    /// Both channels, the right one with its phase shifted by 90°: nothing cancels, whatever the signs of the channels are.
    Both,
    /// As `Both`, with the phase shifted the other way, for channels that are 90° apart already and would cancel.
    BothBack,
}

impl Mix {
    /// All mixes. The index is the number that stands for a mix in packed levels.
    pub const ALL: [Self; 6] = [Self::Mid, Self::Side, Self::Left, Self::Right, Self::Both, Self::BothBack];
}

/// A stretch of time with one factor and one mix. It ends where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    tenths: u32,
    step: i8,
    pub mix: Mix,
}

impl Stretch {
    /// A stretch that begins at the tenth of a second that `start_ms` lies in. The factor is rounded to half a decibel.
    pub fn new(start_ms: u32, factor: f32, mix: Mix) -> Self {
        // The conversion saturates far beyond any factor in use, and makes NaN a factor of 1.
        Self { tenths: start_ms / TENTH_MS, step: (STEPS_A_DECADE * factor.log10()).round() as i8, mix }
    }

    pub fn start_ms(&self) -> u32 {
        self.tenths * TENTH_MS
    }

    pub fn factor(&self) -> f32 {
        10f32.powf(f32::from(self.step) / STEPS_A_DECADE)
    }
}

/// The levels of a recording, as described at the module. They are stored packed, next to the recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    One(Gain),
    /// There is at least one stretch, and the first begins at 0.
    Stretches(Vec<Stretch>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::One(Gain::ONE)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packed levels are damaged at byte {0}")]
pub struct DamagedLevels(pub usize);

impl Levels {
    /// The current version of the rules that decide the levels. Version 0 is one gain for the whole recording, and the
    /// middle of its channels.
    pub const RULES: u8 = 1;

    /// Levels of version 0, with one gain. Plans that were made with them are still cut like this.
    pub fn one(gain: Gain) -> Self {
        Self { kind: Kind::One(gain) }
    }

    /// Levels from stretches in order of time. The first one is moved to the start of the recording. A stretch that
    /// begins no later than the one before it replaces that one. Beyond [`MAX_STRETCHES`] the rest is left out. Without
    /// any stretch the samples stay as recorded.
    pub fn of(stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut kept: Vec<Stretch> = Vec::new();
        for stretch in stretches {
            let full = kept.len() == MAX_STRETCHES;
            match kept.last_mut() {
                None => kept.push(Stretch { tenths: 0, ..stretch }),
                Some(last) if stretch.tenths <= last.tenths => (last.step, last.mix) = (stretch.step, stretch.mix),
                Some(last) if (last.step, last.mix) == (stretch.step, stretch.mix) => {}
                Some(_) if full => break,
                Some(_) => kept.push(stretch),
            }
        }
        if kept.is_empty() {
            kept.push(Stretch::new(0, 1.0, Mix::Mid));
        }
        Self { kind: Kind::Stretches(kept) }
    }

    /// The version of the rules that these levels follow.
    pub fn rules(&self) -> u8 {
        match self.kind {
            Kind::One(_) => 0,
            Kind::Stretches(_) => Self::RULES,
        }
    }

    /// The gain of levels of version 0.
    pub fn one_gain(&self) -> Option<Gain> {
        match self.kind {
            Kind::One(gain) => Some(gain),
            Kind::Stretches(_) => None,
        }
    }

    /// Empty for a recording with one gain.
    pub fn stretches(&self) -> &[Stretch] {
        match &self.kind {
            Kind::One(_) => &[],
            Kind::Stretches(stretches) => stretches,
        }
    }

    /// Whether every stretch stays close to its recorded level and no channels cancel each other. Then the recorded packets
    /// can be sent to an engine unchanged.
    pub fn is_near_one(&self) -> bool {
        match &self.kind {
            Kind::One(gain) => NEAR.contains(&gain.factor()),
            Kind::Stretches(all) => all.iter().all(|s| NEAR.contains(&s.factor()) && s.mix == Mix::Mid),
        }
    }

    /// The levels as bytes: the version, then the gain of version 0, or for each stretch a base-128 number (the time
    /// since the last stretch began, with the mix in the low bits) and a byte for its step.
    pub fn pack(&self) -> Vec<u8> {
        let mut out = vec![self.rules()];
        let mut before = 0;
        if let Some(gain) = self.one_gain() {
            put(&mut out, gain.thousandths());
        }
        for stretch in self.stretches() {
            put(&mut out, (stretch.tenths - before) << MIX_BITS | stretch.mix as u32);
            out.push(stretch.step.cast_unsigned());
            before = stretch.tenths;
        }
        out
    }

    /// The inverse of [`pack`](Self::pack).
    pub fn unpack(bytes: &[u8]) -> Result<Self, DamagedLevels> {
        if bytes.len() > MAX_LEVELS_BYTES {
            return Err(DamagedLevels(MAX_LEVELS_BYTES));
        }
        let mut at = 1;
        match bytes.first() {
            Some(0) => {
                let gain = take(bytes, &mut at).and_then(Gain::from_thousandths).filter(|_| at == bytes.len());
                gain.map(Self::one).ok_or(DamagedLevels(at))
            }
            Some(&Self::RULES) => {
                let mut stretches: Vec<Stretch> = Vec::new();
                while stretches.is_empty() || at < bytes.len() {
                    let from = at;
                    let next = next_stretch(bytes, &mut at, stretches.last()).ok_or(DamagedLevels(from))?;
                    stretches.push(next);
                }
                let kind = Kind::Stretches(stretches);
                Ok(Self { kind })
            }
            _ => Err(DamagedLevels(0)),
        }
    }
}

fn next_stretch(bytes: &[u8], at: &mut usize, before: Option<&Stretch>) -> Option<Stretch> {
    let number = take(bytes, at)?;
    let step = bytes.get(*at)?.cast_signed();
    *at += 1;
    let mix = *Mix::ALL.get((number & ((1 << MIX_BITS) - 1)) as usize)?;
    let gap = number >> MIX_BITS;
    // The first stretch begins at 0, every other one later than the one before it, and all within `u32` milliseconds.
    let tenths = before.map_or(0, |before| before.tenths).checked_add(gap)?;
    let in_order = before.is_some() == (gap > 0) && tenths <= u32::MAX / TENTH_MS;
    in_order.then_some(Stretch { tenths, step, mix })
}

fn put(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests;
