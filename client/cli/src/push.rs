//! Brings files of the user to a server: which files, when they were recorded, and how far they are.

pub mod captured;
pub mod collect;
mod credentials;
pub mod device;
pub mod event_log;
pub mod folder;
mod media_time;
pub mod progress;
pub mod results;
pub mod sending;
pub mod states;
pub mod waiting;
pub mod watch;
pub mod words;
