//! Brings files of the user to a server: which files, when they were recorded, and how far they are.

pub mod captured;
pub mod collect;
pub mod credentials;
pub mod folder;
mod media_time;
pub mod progress;
pub mod states;
pub mod watch;
pub mod words;
