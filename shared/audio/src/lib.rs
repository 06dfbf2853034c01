//! From a file's bytes to its speech: frames, decoders, voice detection, segments. No async, no files, no clock.
//!
//! A recording is read twice: [`analyse`] finds the segments, [`cut`] fetches their samples, or [`cut_packets`]
//! the Opus packets that they are made of. All stream; a recording of
//! any length takes less than 64 MiB, most of it the loudness track of a very long one.

mod aac;
mod analyse;
mod cut;
mod decode;
pub mod detect;
mod error;
mod frames;
mod input;
mod lc3;
mod mulaw;
mod opus;
mod packets;
mod pcm;
mod resample;
mod sample;
mod samples;
mod segment;
mod sound;
#[cfg(test)]
mod testing;
mod track;

pub use analyse::{Analysis, Verdict, analyse, analyse_within};
pub use cut::cut;
pub use decode::{Decoded, FrameDecoder, needs_ranges};
pub use detect::{Detector, Energy, Region};
pub use error::AudioError;
pub use frames::{Damage, Frames, MAX_FRAME_BYTES};
pub use input::{Input, Ranges};
pub use packets::{Cut, Packets, cut_packets};
pub use resample::RATE;
pub use sample::{SAMPLE, SAMPLE_FORMAT, SAMPLE_NAME_STEM, SAMPLE_TEXT, sample_samples};
pub use samples::MAX_DURATION;
pub use segment::{SegmentRules, Span, segments};
pub use track::Track;
