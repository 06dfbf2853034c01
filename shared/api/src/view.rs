//! The bodies of answers, made from domain types: the names and shapes of the API contract in one place.

pub mod conversation;
pub mod job;
pub mod schema;
pub mod session;
