//! Who is asking: Firebase ID tokens of users, and tokens that Google signs for the account of the task queue.

mod claims;
mod fetch;
mod firebase;
mod keys;
mod task;
mod token;

pub use firebase::{FirebaseIdentity, FirebaseSettings};
pub use task::{GoogleTaskIdentity, TaskIdentitySettings};

/// Settings with which nobody, or anybody, would be let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity's {setting} {why}")]
pub struct UnfitIdentity {
    setting: &'static str,
    why: String,
}

#[cfg(test)]
mod tests;
