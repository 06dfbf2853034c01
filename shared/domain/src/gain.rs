//! The one gain of a whole recording, as earlier versions heard.

use serde::{Deserialize, Serialize};

/// What the samples of a whole recording are multiplied by before anyone listens to them, in thousandths: so earlier
/// versions heard. Today every stretch of time has a factor of its own ([`Levels`](crate::Levels)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gain(u32);

impl Gain {
    /// As recorded: also of recordings that were planned before there was a gain.
    pub const ONE: Self = Self(1_000);

    /// The nearest one; a factor that is no positive number is [`Gain::ONE`].
    pub fn of(factor: f32) -> Self {
        if factor.is_finite() && factor > 0.0 { Self(((factor * 1_000.0).round() as u32).max(1)) } else { Self::ONE }
    }

    pub fn factor(self) -> f32 {
        self.0 as f32 / 1_000.0
    }

    pub(crate) fn thousandths(self) -> u32 {
        self.0
    }

    /// `None` for 0: nothing would be heard.
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
