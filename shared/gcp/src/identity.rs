//! Who is asking: Firebase ID tokens of users, and tokens that Google signs for the account of the task queue.

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
