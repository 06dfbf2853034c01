//! Upload sessions: jobs whose bytes are still being uploaded. A session does not own its recordings, so that an abandoned
//! one blocks nobody; it is linked to them when it is completed.

mod complete;
mod open;
mod url;

pub use complete::{Completing, Completion, WholeFile, complete, recordings_to_read};
pub use open::{OfferedFile, Opening, SessionKnown, SessionRequest, open, sessions_to_read};
pub use url::{FileUpload, ReplacedUpload, UploadUrl};

#[cfg(test)]
mod tests;
