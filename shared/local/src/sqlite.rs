//! SQLite as the adapters use it: one thread that writes in groups, a few threads that read, one way to
//! open and to upgrade.

mod connection;
mod create;
mod error;
mod log;
mod log_readers;
mod migrate;
mod read_limit;
mod readers;
mod size;
mod step;
mod worker;
mod writer;

#[cfg(test)]
pub(crate) mod testing;

pub use connection::open_to_read;
pub(crate) use connection::open_to_vacuum;
pub use error::{Failure, kind_of};
pub use log::log_bytes;
pub use migrate::{OpenError, check, migrate};
pub use readers::Readers;
pub use size::Size;
pub use writer::Writer;
