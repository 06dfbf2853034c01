//! The answers that give a batch a job: an accepted upload, and an upload session.

use domain::JobId;
use serde::Deserialize;

/// The job that has the files of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Accepted {
    pub job_id: JobId,
    /// Every recording was known.
    #[serde(default)]
    pub deduplicated: bool,
    #[serde(default)]
    pub poll_after_ms: Option<u64>,
}

impl Accepted {
    /// Reads a 202; `None` if there is no job in it.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// A file of a session: where its bytes go, or nothing if the server needs none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SessionFile {
    pub name: String,
    pub upload_url: Option<String>,
    #[serde(default)]
    pub offset: u64,
}

/// An upload session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Session {
    pub job_id: JobId,
    pub files: Vec<SessionFile>,
}

impl Session {
    /// Reads a 201; `None` if it is no session.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&SessionFile> {
        self.files.iter().find(|file| file.name == name)
    }
}
