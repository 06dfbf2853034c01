//! What is kept of logins: the addresses of servers, and their tokens.

pub mod address;
mod file;
pub mod keychain;
pub mod store;
pub mod token;
pub mod token_store;
