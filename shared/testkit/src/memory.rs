//! Every port in memory: fast, inspectable, and as strict as the real adapters.

mod blobs;
mod identity;
mod push;
mod queue;
mod store;
mod uploads;

pub use blobs::{Blobs, describe};
pub use identity::Identity;
pub use push::Push;
pub use queue::Queue;
pub use store::{Placement, Store};
pub use uploads::Uploads;

#[cfg(test)]
mod tests;
