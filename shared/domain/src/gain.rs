//! The single gain of a whole recording, as earlier versions used it.

use serde::{Deserialize, Serialize};

/// The factor, in thousandths, by which earlier versions multiplied all samples of a recording before listening. Today
/// every stretch of time has a factor of its own ([`Levels`](crate::Levels)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gain(u32);

impl Gain {
    /// The factor 1: samples as recorded. Also the gain of recordings that were planned before gains existed.
    pub const ONE: Self = Self(1_000);

    /// The gain nearest to a factor. For a factor that is not a positive number it is [`Gain::ONE`].
    pub fn of(factor: f32) -> Self {
        if factor.is_finite() && factor > 0.0 { Self(((factor * 1_000.0).round() as u32).max(1)) } else { Self::ONE }
    }

    pub fn factor(self) -> f32 {
        self.0 as f32 / 1_000.0
    }

    pub(crate) fn thousandths(self) -> u32 {
        self.0
    }

    /// `None` for 0, which would silence the recording.
    pub(crate) fn from_thousandths(thousandths: u32) -> Option<Self> {
        (thousandths > 0).then_some(Self(thousandths))
    }

    pub(crate) fn is_one(&self) -> bool {
        *self == Self::ONE
    }
}

impl Default for Gain {
    fn default() -> Self {
        Self::ONE
    }
}
