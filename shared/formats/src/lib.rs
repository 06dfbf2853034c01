//! Conversations as files: text, Markdown, JSON, SubRip and WebVTT subtitles, and CSV.
//!
//! The crate does no input or output of its own. It takes [conversations](Conversation) one at a time, or even [segment
//! by segment](Writer::segment), and writes them to a [`std::io::Write`]; what it holds meanwhile does not grow with
//! their number or length. A client fills a [`Conversation`] from the JSON of the API, a server from its store. What
//! the formats look like is described for users in `docs/FORMATS.md`.
//!
//! # Example
//!
//! ```
#![doc = include_str!("../examples/day.rs")]
//! ```
//!
//! # Subtitles
//!
//! A cue passes through these steps: [a segment's text is cut into words](units), [each word gets its time](timeline),
//! segments [become turns](turn), turns are [cut into cues](cuts), names are [put where the speaker changes](draft),
//! and the cues [get their final times](schedule) and [their lines](lines).

#![deny(missing_docs)]
#![allow(rustdoc::private_intra_doc_links, reason = "the steps are for those who work on this crate")]

mod clean;
mod conversation;
mod csv;
mod cues;
mod cuts;
mod draft;
mod format;
mod heading;
mod json;
mod lines;
mod local_time;
mod md;
mod output;
mod paragraphs;
mod piece;
mod schedule;
mod srt;
mod subtitle_time;
#[cfg(test)]
mod testing;
mod timeline;
mod turn;
mod txt;
mod units;
mod vtt;
mod writer;

pub use conversation::{Conversation, Head, Segment, Word};
pub use format::{Format, UnknownFormat};
pub use local_time::{InvalidOffset, UtcOffset};
pub use writer::{Options, Writer, to_string};
