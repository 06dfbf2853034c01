//! What is kept beside a recording because it is read only now and then: a recording does not carry it.

use crate::levels::Levels;
use crate::peaks::Peaks;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// What it looks like. `None` where nobody has looked, and for what was planned before this was kept.
    pub peaks: Option<Peaks>,
    /// How its plan is cut. `None` for what was planned before there were levels: it is cut at the one gain of its facts.
    pub levels: Option<Levels>,
}
