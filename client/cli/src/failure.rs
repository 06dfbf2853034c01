//! Why a command ended before it was done.

use terminal::output::OutputError;

use crate::exit::Exit;
use crate::messages::Message;

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Message(#[from] Message),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Message(message) => message.exit(),
            // Whoever closes the output has seen enough.
            Self::Output(OutputError::Closed) => Exit::Done,
            Self::Output(_) => Exit::Failed,
        }
    }

    pub fn is_closed_output(&self) -> bool {
        matches!(self, Self::Output(OutputError::Closed))
    }
}
