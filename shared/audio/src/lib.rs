//! From a file's bytes to its speech: frames, decoders, voice detection, segments. The crate has no async code, opens
//! no files and reads no clock.
//!
//! [`survey`] finds which channels of a recording hold sound. [`analyse`] finds its segments and the gain for each
//! stretch of time; [`survey_and_analyse`] does both in one pass if the recording has one channel. [`cut`] then fetches
//! the samples of the segments, or [`cut_packets`] the Opus packets that cover them. So a recording with one channel is
//! decoded twice, one with several channels three times, and a short one once, because its samples are kept. All
//! functions stream: a recording of any length takes less than 64 MiB, most of it for the kept samples of a short
//! recording or the loudness track of a very long one.

mod aac;
mod analyse;
mod channel_loss;
mod channels;
mod cut;
mod decode;
mod decoded;
pub mod detect;
mod engine_levels;
mod error;
mod frame_decoder;
mod framed;
mod frames;
mod gain;
mod grid;
mod input;
mod kept_samples;
mod lc3;
mod level;
mod leveller;
mod listening;
mod loudness_track;
mod mix;
mod mix_choice;
mod mix_listeners;
mod mulaw;
mod offset_removal;
mod opus;
mod packed;
mod packets;
mod pcm;
mod phase_shift;
mod progress;
mod resample;
mod restart_points;
mod restartable_decoder;
mod sample;
mod sample_source;
mod samples;
mod segment;
mod sound;
mod stats;
mod survey;
mod surveyed;
#[cfg(test)]
mod testing;
mod waveform;

pub use analyse::{Analysis, Verdict, analyse, analyse_resumable};
pub use cut::{cut, cut_resumable};
pub use decode::may_need_random_access;
pub use decoded::decoded_ms;
pub use detect::{Detection, Detector, Energy, ModelError, Region};
pub use error::AudioError;
pub use frame_decoder::{Decoded, FrameDecoder};
pub use frames::{Damage, Frames, MAX_FRAME_BYTES};
pub use input::{Input, Ranges};
pub use kept_samples::KeptSamples;
pub use loudness_track::Track;
pub use packets::{Cut, Packets, cut_packets, has_packets};
pub use progress::{Progress, Resume};
pub use resample::RATE;
pub use restart_points::RestartPoints;
pub use sample::{SAMPLE, SAMPLE_FORMAT, sample_samples};
pub use samples::MAX_DURATION;
pub use segment::{SegmentRules, Span, segments};
pub use survey::{FirstPassListener, Surveyed, survey, survey_and_analyse, survey_within};
pub use surveyed::Survey;
