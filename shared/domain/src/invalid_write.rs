//! Writes that every store refuses, because they can never become valid.

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWrite {
    #[error("a job of another user has this id")]
    JobOfAnotherUser,
    #[error("the checkpoint is too long")]
    LongCheckpoint,
    #[error("the group has too many segments")]
    LargeGroup,
    #[error("these lines are too many, or of recordings that are not the job's")]
    Lines,
    #[error("these records are too many, or of another user")]
    Records,
    #[error("what cannot be read cannot be written")]
    UnreadableRecord,
    #[error("a usage count that no audio can have")]
    UsageCount,
}
