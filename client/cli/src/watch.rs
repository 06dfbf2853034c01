//! Folders that are watched: which files in them are whole, which of them are known, and the texts that are written beside them.

pub mod finish;
pub mod ledger;
pub mod scan;
pub mod take;
pub mod texts;
