//! The tables, version by version. A version that was shipped is never edited: the next one changes what it made.

/// Applied in order, each in a transaction of its own; how many were applied stands in the file.
pub const MIGRATIONS: &[&str] = &[include_str!("1.sql")];
