//! Upload sessions: jobs whose bytes are still being uploaded. A session does not own its recordings, so that an abandoned
//! one blocks nobody; it is linked to them when it is completed.

mod complete;
mod open;
mod url;

pub use complete::{Completing, Completion, WholeFile, complete};
pub use open::{Ended, OfferedFile, Opening, SessionKnown, SessionRequest, open};
pub use url::{FileUpload, UploadUrl};

#[cfg(test)]
mod tests;
