//! A job as the server describes it, read without trust: what is not understood is never taken for success.

use domain::{Blame, ConversationId, JobId, Timestamp};
use serde::Deserialize;

/// What the server says about a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FileView {
    pub name: String,
    pub status: String,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub detail: Option<String>,
    #[serde(default)]
    blame: Option<String>,
    #[serde(default)]
    pub retryable: Option<bool>,
}

impl FileView {
    /// Whom the server blames. A word that is not known blames the service: that counts against nobody.
    pub fn blame(&self) -> Option<Blame> {
        self.blame.as_deref().map(|word| match word {
            "content" => Blame::Content,
            "limit" => Blame::Limit,
            _ => Blame::Service,
        })
    }

    /// Whether the text of the file is placed, or it holds no speech; and nothing is said against it.
    pub fn is_whole(&self) -> bool {
        self.is_good() && self.code.is_none()
    }

    pub fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "done" | "silent")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ResultView {
    #[serde(default)]
    pub new_conversation_ids: Vec<ConversationId>,
    #[serde(default)]
    pub updated_conversation_ids: Vec<ConversationId>,
}

/// What the server says about a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JobView {
    pub job_id: JobId,
    pub status: String,
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    pub files: Vec<FileView>,
    #[serde(default)]
    pub processed_segments: u64,
    #[serde(default)]
    pub total_segments: u64,
    #[serde(default)]
    pub poll_after_ms: Option<u64>,
    #[serde(default)]
    pub result: Option<ResultView>,
}

impl JobView {
    /// Reads the answer to a status request for this job.
    pub fn parse(body: &[u8], job: JobId) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|view| view.job_id == job)
    }

    /// Whether the job is over. A status that is not known is not the end.
    pub fn is_terminal(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "partial_failure" | "failed" | "cancelled")
    }

    pub fn is_cancelled(&self) -> bool {
        self.status == "cancelled"
    }

    pub fn file(&self, name: &str) -> Option<&FileView> {
        self.files.iter().find(|file| file.name == name)
    }
}
