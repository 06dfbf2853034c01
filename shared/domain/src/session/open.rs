//! The decision on a request for an upload session: the answer is a job that already has the recordings, an open session
//! for the same files, or a new session.

use super::{FileUpload, UploadUrl};
use crate::accept::{self, Batch, Known, StagedFile};
use crate::decision::{Decided, JobChange, Opened, Writes};
use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::job::{Job, Status};
use crate::name::Stream;
use crate::recording::Recording;
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::{Context, create_finished, end_expired, later_than};

/// A file whose bytes a client wants to send.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedFile {
    pub name: String,
    /// The name under which the bytes will be staged, if the session is new.
    pub blob: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: Option<u32>,
    pub stream: Stream,
    pub captured_at: Option<Timestamp>,
}

/// A request for an upload session whose files are within the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRequest {
    /// The id that the session gets if it is new.
    pub job_id: JobId,
    pub uid: Uid,
    pub files: Vec<OfferedFile>,
    pub conversation_id: Option<ConversationId>,
    pub language: Option<String>,
    pub traceparent: Option<String>,
}

impl SessionRequest {
    pub fn recording_ids(&self) -> Vec<RecordingId> {
        self.files.iter().map(|file| RecordingId::derive(&self.uid, &file.name, &file.sha256)).collect()
    }
}

/// The stored data that the decision depends on, read in the same transaction.
#[derive(Clone, Debug, Default)]
pub struct SessionKnown {
    /// The job with the request's own id, the recordings in the order of [`SessionRequest::recording_ids`], and their
    /// latest jobs.
    pub batch: Known,
    /// The user's open sessions, newest first.
    pub open: Vec<Job>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Opening {
    /// This existing job has every recording. Nothing is written.
    Answer(Job),
    /// Every recording is finished, but in several jobs: a new, already finished job is created with all of them.
    Created { job: Job, recordings: Vec<Recording> },
    /// A session for these files is open already: the stored job, and the job to be written.
    Again { before: Box<Job>, job: Job },
    /// A new session, and the oldest open sessions that are ended to make room for it.
    New { job: Job, ended: Vec<JobChange> },
}

impl From<Opening> for Decided<Opened> {
    fn from(opening: Opening) -> Self {
        match opening {
            Opening::Answer(job) => Self::without_writes(Opened::Known(job)),
            Opening::Created { job, recordings } => {
                let writes = Writes { recordings, created: Some(job.clone()), ..Writes::default() };
                Self { answer: Opened::Known(job), writes }
            }
            Opening::Again { before, job } => {
                let changed = vec![JobChange { before: *before, job: job.clone() }];
                Self {
                    answer: Opened::Session { job, ended: Vec::new() },
                    writes: Writes { changed, ..Writes::default() },
                }
            }
            Opening::New { job, ended } => {
                let writes = Writes { changed: ended.clone(), created: Some(job.clone()), ..Writes::default() };
                let ended = ended.into_iter().map(|ended| ended.job).collect();
                Self { answer: Opened::Session { job, ended }, writes }
            }
        }
    }
}

/// The most sessions beyond the limit that one request ends: a lowered limit is reached step by step.
const MAX_ENDED: usize = 100;

/// How many of the user's newest open sessions a store reads before it opens one.
pub fn sessions_to_read(rules: &Rules) -> usize {
    rules.open_sessions_per_user as usize + MAX_ENDED
}

pub fn open(request: &SessionRequest, known: SessionKnown, ctx: Context<'_>) -> Opening {
    if let Some(own) = known.batch.own {
        // The request was handled before, and its response was lost. An open session is treated as requested again.
        return if own.status == Status::Uploading { again(own, request, &[], ctx) } else { Opening::Answer(own) };
    }
    let ids = request.recording_ids();
    if let Some(job) = accept::find_answering_job(&request.uid, &ids, &known.batch, ctx.now) {
        return Opening::Answer(job.clone());
    }
    if accept::all_finished(&known.batch.recordings) {
        let mut job = accept::propose(&staged(request), ctx.now);
        let recordings = accept::link_recordings(&mut job, known.batch.recordings, ctx.now);
        return Opening::Created { job: create_finished(job, ctx), recordings };
    }
    let like = |job: &&Job| job.uid == request.uid && job.status == Status::Uploading && has_files(job, request);
    match known.open.iter().find(like) {
        Some(job) => again(job.clone(), request, &known.batch.recordings, ctx),
        None => new_session(request, known, ctx),
    }
}

/// Whether the session has the same files as the request, in any order. Names are unique in both. If both announce a
/// checksum of a file, the two have to be equal: otherwise the right bytes would be refused for ever.
fn has_files(job: &Job, request: &SessionRequest) -> bool {
    let same = |file: &OfferedFile| {
        let like = |f: &&crate::JobFile| {
            let announced = f.upload.as_ref().and_then(|upload| upload.crc32c);
            (&f.name, f.sha256, f.size) == (&file.name, file.sha256, file.size)
                && announced.zip(file.crc32c).is_none_or(|(before, now)| before == now)
        };
        job.files.iter().any(|f| like(&f))
    };
    job.files.len() == request.files.len() && request.files.iter().all(same)
}

/// Opens the session again. Its options are taken from the new request, and files whose recordings were finished meanwhile
/// are settled.
fn again(before: Job, request: &SessionRequest, recordings: &[Option<Recording>], ctx: Context<'_>) -> Opening {
    let mut job = before.clone();
    job.conversation_id = request.conversation_id;
    job.language.clone_from(&request.language);
    for file in &mut job.files {
        if let Some(asked) = request.files.iter().find(|asked| asked.name == file.name) {
            file.captured_at = asked.captured_at;
        }
        let known = recordings.iter().flatten().find(|recording| recording.id == file.recording);
        if let Some(recording) = known.filter(|recording| recording.is_finished()) {
            file.follow(recording);
        }
    }
    if job != before {
        job.updated_at = later_than(before.updated_at, ctx);
    }
    Opening::Again { before: Box::new(before), job }
}

fn new_session(request: &SessionRequest, known: SessionKnown, ctx: Context<'_>) -> Opening {
    let mut job = accept::propose(&staged(request), ctx.now);
    job.status = Status::Uploading;
    job.due_at = Some(ctx.now + ctx.rules.upload_session);
    for ((file, offered), recording) in job.files.iter_mut().zip(&request.files).zip(&known.batch.recordings) {
        match recording.as_ref().filter(|recording| recording.is_finished()) {
            Some(recording) => file.follow(recording),
            None => file.upload = Some(FileUpload { url: None::<UploadUrl>, crc32c: offered.crc32c }),
        }
    }
    // A session owns no recordings, so that ending the oldest loses only the bytes uploaded so far.
    let keep = (ctx.rules.open_sessions_per_user as usize).saturating_sub(1);
    let end = |before: Job| JobChange { job: end_expired(before.clone(), ctx), before };
    let ended = known.open.into_iter().skip(keep).filter(|job| job.status == Status::Uploading).map(end).collect();
    Opening::New { job, ended }
}

/// The batch that the session will be when all of its bytes have arrived.
fn staged(request: &SessionRequest) -> Batch {
    let file = |file: &OfferedFile| StagedFile {
        name: file.name.clone(),
        blob: file.blob.clone(),
        size: file.size,
        sha256: file.sha256,
        crc32c: file.crc32c.unwrap_or_default(),
        stream: file.stream.clone(),
        captured_at: file.captured_at,
        silent: None,
    };
    Batch {
        job_id: request.job_id,
        uid: request.uid.clone(),
        files: request.files.iter().map(file).collect(),
        conversation_id: request.conversation_id,
        language: request.language.clone(),
        traceparent: request.traceparent.clone(),
    }
}
