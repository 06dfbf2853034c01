//! Maps disk errors to kinds of errors, and runs blocking disk work on threads that may wait.

use std::fmt::Display;
use std::io::{self, ErrorKind};

use flow::{Error, Kind, Result};

pub fn fault(operation: &'static str, subject: impl Display, error: io::Error) -> Error {
    Error::new(kind(&error), operation, subject).because(error)
}

fn kind(error: &io::Error) -> Kind {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Kind::Misconfigured,
        ErrorKind::FileTooLarge | ErrorKind::InvalidFilename => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

/// Whether the error means that nothing has this name: a part of the path may be missing, or may be a
/// file.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Runs work that waits for the disk on a blocking thread.
pub async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The work panicked, or the program is ending: how much of it was done is not known.
        Err(lost) => Err(Error::new(Kind::Unknown, operation, "").because(lost)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_or_quota_without_space_is_full() {
        for error in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
            assert_eq!(fault("blobs.write", "", error.into()).kind, Kind::Full);
        }
        assert_eq!(fault("blobs.write", "", rustix::io::Errno::ROFS.into()).kind, Kind::Misconfigured);
        assert_eq!(fault("blobs.write", "", rustix::io::Errno::IO.into()).kind, Kind::Unavailable);
    }
}
