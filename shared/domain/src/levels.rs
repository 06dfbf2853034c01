//! How a recording is heard: what its samples are multiplied by, stretch of time for stretch of time, and how its channels
//! become one. It is decided once, from the whole recording, so that a later delivery hears what the plan was made from.

use crate::gain::Gain;

/// Stretches of one recording. In two days that is one every 14 seconds; neighbours that are about as loud are one.
pub const MAX_STRETCHES: usize = 12_000;
/// What they take at most when they are packed.
pub const MAX_LEVELS_BYTES: usize = 48 * 1024;

/// Stretches begin at whole tenths of a second.
const TENTH_MS: u32 = 100;
/// A factor is kept in steps of half a decibel.
const STEPS_A_DECADE: f32 = 40.0;
const MIX_BITS: u32 = 3;
/// Twelve decibels either way: any engine hears what is as loud as that.
const NEAR: std::ops::RangeInclusive<f32> = 0.25..=4.0;

/// How the channels of a recording become one. A recording of one channel is its own middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mix {
    /// Half the sum of all channels: they hold about the same.
    #[default]
    Mid,
    /// Half the difference: one is the other, turned over.
    Side,
    Left,
    Right,
    /// Both, the right one turned by a quarter of a wave: what is in either is heard, whatever sign it has in the other.
    Both,
    /// The same, turned the other way: for what is a quarter of a wave apart already, and would cancel.
    BothBack,
}

impl Mix {
    /// Each at the place that is its number where it is packed.
    pub const ALL: [Self; 6] = [Self::Mid, Self::Side, Self::Left, Self::Right, Self::Both, Self::BothBack];
}

/// A stretch of time that is heard in one way. It ends where the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    tenths: u32,
    step: i8,
    pub mix: Mix,
}

impl Stretch {
    /// From the tenth of a second that `start_ms` lies in, at about this factor.
    pub fn new(start_ms: u32, factor: f32, mix: Mix) -> Self {
        // Saturates far beyond any factor that is used; what is no number is 1.
        Self { tenths: start_ms / TENTH_MS, step: (STEPS_A_DECADE * factor.log10()).round() as i8, mix }
    }

    pub fn start_ms(&self) -> u32 {
        self.tenths * TENTH_MS
    }

    pub fn factor(&self) -> f32 {
        10f32.powf(f32::from(self.step) / STEPS_A_DECADE)
    }
}

/// See the module. Kept beside the recording's plan, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    heard: Heard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    One(Gain),
    /// At least one; the first begins at 0.
    Stretches(Vec<Stretch>),
}

impl Default for Heard {
    fn default() -> Self {
        Self::One(Gain::ONE)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packed levels are damaged at byte {0}")]
pub struct DamagedLevels(pub usize);

impl Levels {
    /// The version of the rules that recordings are heard by today. 0: one gain for the whole of it, and the middle of its
    /// channels.
    pub const RULES: u8 = 1;

    /// As the version before heard: plans that it made are cut like this.
    pub fn one(gain: Gain) -> Self {
        Self { heard: Heard::One(gain) }
    }

    /// In order of time. The first counts from the start of the recording; one that begins no later than the one before it
    /// takes its place. Of more than [`MAX_STRETCHES`] the rest is left out; of none, the recording is as it was recorded.
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
        Self { heard: Heard::Stretches(kept) }
    }

    /// The version of the rules that these levels follow.
    pub fn rules(&self) -> u8 {
        match self.heard {
            Heard::One(_) => 0,
            Heard::Stretches(_) => Self::RULES,
        }
    }

    /// The one gain of a recording that is heard by rules 0.
    pub fn one_gain(&self) -> Option<Gain> {
        match self.heard {
            Heard::One(gain) => Some(gain),
            Heard::Stretches(_) => None,
        }
    }

    /// Empty for a recording with one gain.
    pub fn stretches(&self) -> &[Stretch] {
        match &self.heard {
            Heard::One(_) => &[],
            Heard::Stretches(stretches) => stretches,
        }
    }

    /// Every stretch is about as loud as it was recorded, and no channels cancel each other: an engine that is given the
    /// recorded packets hears what is in them.
    pub fn is_near_one(&self) -> bool {
        match &self.heard {
            Heard::One(gain) => NEAR.contains(&gain.factor()),
            Heard::Stretches(all) => all.iter().all(|s| NEAR.contains(&s.factor()) && s.mix == Mix::Mid),
        }
    }

    /// The version, then the gain, or of each stretch: how long after the one before it it begins, with its mix in the low
    /// bits, as a base-128 number, and its step.
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

    /// As [`pack`](Self::pack) gave it.
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
                let heard = Heard::Stretches(stretches);
                Ok(Self { heard })
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
    // The first one begins at 0, every other one later than the one before it; all within what milliseconds can say.
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
