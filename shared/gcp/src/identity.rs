//! Identifies callers: users by Firebase ID tokens, and the task queue by tokens that Google signs for
//! its account.

mod claims;
mod fetch;
mod firebase;
mod keys;
mod task;
mod token;

pub use firebase::{FirebaseIdentity, FirebaseSettings};
pub use task::{GoogleTaskIdentity, TaskIdentitySettings};

#[cfg(test)]
mod tests;
