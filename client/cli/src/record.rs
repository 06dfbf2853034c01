//! Audio that comes on standard input: which frames it has, and how they reach the recorder.

pub mod frames;
pub mod source;
