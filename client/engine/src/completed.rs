//! What the app is told of a job that is over (R39).

use domain::{ConversationId, JobId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::chunk::{ChunkId, State};

/// A recording of a job that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its number in the index.
    pub id: ChunkId,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: State,
}

/// A job that is over. The app acknowledges it by its id and its time; until then it is told again at every start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The job.
    pub job_id: JobId,
    /// When it ended. A job that is retried ends again, at another time.
    pub completed_at: Timestamp,
    /// Its status, as the server said.
    pub status: String,
    /// Conversations that began with it.
    pub new_conversation_ids: Vec<ConversationId>,
    /// Conversations to which it added.
    pub updated_conversation_ids: Vec<ConversationId>,
    /// The recordings of this device that were in it.
    pub files: Vec<File>,
}

impl Completed {
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
