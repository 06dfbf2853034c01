//! The rules of Afterword: recordings, jobs, segments, conversations, usage, and how they change.
//!
//! Everything here is a pure function or plain data. The crate does no I/O, has no async code and reads no clock.

pub mod accept;
pub mod archive;
pub mod checkpoint;
pub mod clock;
pub mod code;
pub mod command;
pub mod conversation;
pub mod decision;
pub mod deletion;
pub mod device;
pub mod failure;
pub mod gain;
pub mod id;
pub mod invalid_write;
pub mod job;
pub mod job_file;
pub mod levels;
pub mod line;
pub mod listened;
pub mod listing;
pub mod masking;
pub mod name;
pub mod peaks;
pub mod placement;
pub mod plan;
pub mod planning;
pub mod recording;
pub mod recording_extras;
pub mod repair;
pub mod rules;
pub mod session;
pub mod slot;
#[cfg(test)]
mod testing;
pub mod texts;
pub mod time;
pub mod transition;
pub mod usage;
pub mod wait;
pub mod wait_reason;

pub use checkpoint::Checkpoint;
pub use code::{Blame, Code};
pub use command::{Action, Command, PutBack, Refusal};
pub use conversation::{Conversation, Interval};
pub use failure::Failure;
pub use gain::Gain;
pub use id::{ConversationId, DeviceId, InvalidId, JobId, Nonce, RecordingId, SegmentId, Sha256Hex, Uid};
pub use invalid_write::InvalidWrite;
pub use job::{Job, Status};
pub use job_file::{FileStatus, JobFile};
pub use levels::{DamagedLevels, Levels};
pub use line::Line;
pub use name::{Codec, Format, FrameFormat, NameError, RecordingName, SoundFile, Source, Stream};
pub use peaks::Peaks;
pub use plan::{Mark, Plan, Segment};
pub use recording::Recording;
pub use recording_extras::RecordingExtras;
pub use rules::Rules;
pub use session::{FileUpload, ReplacedUpload, UploadUrl};
pub use time::Timestamp;
pub use usage::{Bucket, Usage};
pub use wait_reason::{Explanation, WaitCode, WaitReason};
