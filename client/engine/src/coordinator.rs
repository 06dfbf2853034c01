//! The one owner of recovery (R33): a pure function from a state and an event to the next state and to actions.
//!
//! A **pass** reconciles what is uploaded, uploads what is pending, and reconciles again if anything was uploaded. Whatever
//! wakes the coordinator during a pass leads to one more pass. The coordinator knows sums and deadlines only; rows are read
//! page by page by the steps of a pass.

mod blocked;
mod state;
mod step;

pub use blocked::Blocked;
pub use state::{Dues, Prepare, Purpose, Stage, State};
pub use step::{Action, Event, step};

#[cfg(test)]
mod tests;
