//! An upload session as clients read it.

use domain::{Code, FileStatus, Job, JobFile, JobId, Status, Timestamp};
use flow::ports::Progress;
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// Where clients send the bytes of upload sessions.
#[derive(Clone, Debug)]
pub enum Addresses {
    /// The session's address is a complete URL of another service: the bytes bypass this function.
    Elsewhere,
    /// This function receives the bytes, below `public_url` or, without one, relative to the address that the client
    /// used.
    Here { public_url: Option<String> },
}

impl Addresses {
    fn of(&self, job: &Job, index: usize) -> Option<String> {
        let url = job.files.get(index)?.upload.as_ref()?.url.as_ref()?.expose();
        Some(match self {
            Addresses::Elsewhere => url.to_owned(),
            Addresses::Here { public_url } => {
                let base = public_url.as_deref().unwrap_or_default();
                format!("{base}{}{}.{index}.{url}", edge::request::UPLOAD_PARTS, job.id)
            }
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = UploadSession)]
pub struct SessionView {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    #[schema(value_type = schema::JobStatus)]
    status: Status,
    files: Vec<FileView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UploadFile)]
struct FileView {
    name: String,
    status: UploadStatus,
    /// Beside `done`: part of the recording could not be decoded. Keep the file.
    #[schema(value_type = Option<schema::FailureCode>, required)]
    code: Option<Code>,
    /// Where its bytes go, by `PUT`: whoever has it may send them. Relative to the address of this request unless it
    /// begins with a scheme. Null when none are needed.
    #[schema(format = "uri-reference", required)]
    upload_url: Option<String>,
    /// How many bytes are there.
    offset: u64,
    /// Null when no bytes are needed.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UploadStatus {
    /// Bytes are to be sent.
    Uploading,
    /// Known: transcribed before.
    Done,
    /// Known: nothing was said.
    Silent,
}

impl SessionView {
    pub fn of(job: &Job, progress: &[Option<Progress>], addresses: &Addresses) -> Self {
        let file = |(index, file): (usize, &JobFile)| {
            let progress = progress.get(index).copied().flatten();
            let offset = match progress {
                Some(Progress::Open { offset }) => offset,
                Some(Progress::Gone) => 0,
                Some(Progress::Whole { .. }) | None => file.size,
            };
            FileView {
                name: file.name.clone(),
                status: status(file),
                code: file.failure.as_ref().map(|failure| failure.code),
                upload_url: if file.needs_bytes() { addresses.of(job, index) } else { None },
                offset,
                expires_at: job.due_at.filter(|_| file.needs_bytes()),
            }
        };
        Self { job_id: job.id, status: job.status, files: job.files.iter().enumerate().map(file).collect() }
    }
}

fn status(file: &JobFile) -> UploadStatus {
    match file.status {
        FileStatus::Done => UploadStatus::Done,
        FileStatus::Silent => UploadStatus::Silent,
        _ => UploadStatus::Uploading,
    }
}

/// What is said of a file that is whole.
#[derive(Serialize, ToSchema)]
pub struct WholeFile {
    size: u64,
    /// Nothing of it is missing.
    whole: bool,
}

impl WholeFile {
    pub fn of(size: u64) -> Self {
        Self { size, whole: true }
    }
}
