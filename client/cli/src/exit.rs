//! How a command ends.

use std::process::ExitCode;

/// The exit codes, on which scripts rely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    Failed,
    Usage,
    /// The server is offline or asks to wait. Nothing is lost.
    Waiting,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0_u8,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Waiting => 3,
        })
    }
}
