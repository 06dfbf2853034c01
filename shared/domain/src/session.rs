//! Upload sessions: a job whose bytes are still on their way. It owns nothing, so that an abandoned one blocks nobody;
//! only its completion ties it to its recordings.

mod complete;
mod open;
mod url;

pub use complete::{Completing, Completion, WholeFile, complete};
pub use open::{Ended, OfferedFile, Opening, SessionKnown, SessionRequest, open};
pub use url::{FileUpload, UploadUrl};

#[cfg(test)]
mod tests;
