//! What the formats promise, checked on random conversations and on files that are kept.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod arbitrary;
mod csv_parser;
mod example;
mod other_parsers;
mod paging;
mod snapshots;
mod srt_parser;
mod subtitles;
mod tables;
mod visible;
mod vtt_parser;
