//! Domain things as the bodies of answers: the contract's names and shapes, in one place.

pub mod conversation;
pub mod job;
pub mod schema;
pub mod session;
