//! Opening an upload session: everything that can be checked before the first byte is checked here.

use domain::session::{OfferedFile, SessionRequest};
use domain::{Code, Command, Job, ReplacedUpload, Sha256Hex, Timestamp, Uid, UploadUrl};

use super::progress;
use crate::accept::{BadFile, BatchOptions, Checked, PartHeaders, Refused, check_file};
use crate::effects;
use crate::ports::{BlobName, Opened, Progress, Stepped, Verdict};
use crate::retry::with_retries;
use crate::services::Services;
use crate::settings::UploadLimits;

/// A file that a client wants to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub name: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: Option<u32>,
    pub captured_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct OpenSession {
    pub uid: Uid,
    pub files: Vec<Offer>,
    pub terms: BatchOptions,
    pub traceparent: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Opening {
    /// The session, and the progress of each of its files; `None` for a file that needs no bytes.
    Session { job: Job, progress: Vec<Option<Progress>> },
    /// Every recording is known, so that nothing has to be uploaded.
    Known(Job),
}

pub async fn open(services: &Services, requested: OpenSession) -> std::result::Result<Opening, Refused> {
    if let Verdict::Refuse { code, retry_after, detail } = services.admission.admit(&requested.uid).await? {
        return Err(Refused::Batch { code, detail, retry_after: Some(retry_after) });
    }
    let request = check(services, requested)?;
    services.uploads.room().await?;
    match with_retries(&*services.clock, || services.store.open_session(&request, services.at())).await? {
        Opened::Known(job) => {
            // A job that was created finished has effects due. Those of any other job have run, or the sweep will run them.
            effects::run(services, &job).await;
            Ok(Opening::Known(job))
        }
        Opened::Session { job, ended } => {
            for session in &ended {
                effects::run(services, session).await;
            }
            let job = start(services, job).await?;
            tracing::debug!(step = "open_session", job_id = %job.id, files = job.files.len());
            let progress = progress(services, &job).await?;
            let (job, progress) = replace_ended(services, job, progress).await?;
            Ok(Opening::Session { job, progress })
        }
    }
}

/// Starts uploads anew that their store has ended: too old, cancelled, or not to be completed. If two requests do so at
/// once, both get the address of the one that was stored first; the other upload gets no bytes and expires.
async fn replace_ended(
    services: &Services,
    job: Job,
    mut all: Vec<Option<Progress>>,
) -> std::result::Result<(Job, Vec<Option<Progress>>), Refused> {
    let mut replacements: Vec<ReplacedUpload> = Vec::new();
    for (index, file) in job.files.iter().enumerate() {
        let dead = file.upload.as_ref().and_then(|upload| upload.url.clone());
        if let (Some(Some(Progress::Gone)), Some(dead)) = (all.get(index), dead) {
            let blob = BlobName::listed(file.blob.clone());
            let url = services.uploads.start(&blob, super::expected(file)).await?;
            replacements.push(ReplacedUpload { index, dead, url });
        }
    }
    if replacements.is_empty() {
        return Ok((job, all));
    }
    let replaced: Vec<usize> = replacements.iter().map(|replacement| replacement.index).collect();
    let job = stored(services.step(job.id, &Command::UploadsReplaced { replacements }).await?)?;
    tracing::info!(job_id = %job.id, files = replaced.len(), "ended uploads of a session were replaced by new ones");
    for index in replaced {
        if let (Some(progress), Some(file)) = (all.get_mut(index), job.files.get(index)) {
            *progress = super::progress_of(services, file).await?;
        }
    }
    Ok((job, all))
}

/// The session after the addresses of its uploads were stored.
fn stored(stepped: Stepped) -> std::result::Result<Job, Refused> {
    match stepped {
        Stepped::Done { job, .. } => Ok(job),
        Stepped::Refused { .. } | Stepped::NoSuchJob => {
            Err(Refused::batch(Code::JobFinished, "the upload was ended while it was opened; ask again"))
        }
    }
}

/// Starts the uploads that have no address yet. If two requests do so at once, the addresses of the first one count.
async fn start(services: &Services, job: Job) -> std::result::Result<Job, Refused> {
    let mut urls: Vec<(usize, UploadUrl)> = Vec::new();
    for (index, file) in job.files.iter().enumerate().filter(|(_, file)| file.needs_bytes()) {
        if file.upload.as_ref().is_some_and(|upload| upload.url.is_none()) {
            let blob = BlobName::listed(file.blob.clone());
            urls.push((index, services.uploads.start(&blob, super::expected(file)).await?));
        }
    }
    if urls.is_empty() {
        return Ok(job);
    }
    stored(services.step(job.id, &Command::UploadsStarted { urls }).await?)
}

/// Checks the request, and reports every bad file.
fn check(services: &Services, requested: OpenSession) -> std::result::Result<SessionRequest, Refused> {
    let OpenSession { uid, files, terms, traceparent } = requested;
    let limits = &services.settings.upload;
    if files.is_empty() {
        return Err(Refused::batch(Code::EmptyBatch, "the request names no files"));
    }
    if files.len() > limits.max_files {
        return Err(Refused::batch(Code::TooManyFiles, format!("a batch has at most {} files", limits.max_files)));
    }
    let (job_id, now) = (services.random.job_id(), services.now());
    let (mut offered, mut bad): (Vec<OfferedFile>, Vec<BadFile>) = (Vec::new(), Vec::new());
    let mut sum: u64 = 0;
    for (index, file) in files.iter().enumerate() {
        sum = sum.saturating_add(file.size);
        let twice = files[..index].iter().any(|other| other.name == file.name);
        match check_offer(file, twice, limits, now) {
            Err(why) => bad.push(why),
            Ok(Checked { stream, captured_at }) => {
                let blob = BlobName::new(&uid, job_id, index, &file.name).to_string();
                let Offer { name, size, sha256, crc32c, .. } = file.clone();
                offered.push(OfferedFile { name, blob, size, sha256, crc32c, stream, captured_at });
            }
        }
    }
    if !bad.is_empty() {
        return Err(Refused::Files(bad));
    }
    if sum > limits.resumable_max_batch_bytes {
        let detail = format!("the batch is larger than {} bytes", limits.resumable_max_batch_bytes);
        return Err(Refused::batch(Code::BatchTooLarge, detail));
    }
    let BatchOptions { conversation_id, language } = terms;
    Ok(SessionRequest { job_id, uid, files: offered, conversation_id, language, traceparent })
}

fn check_offer(
    file: &Offer,
    twice: bool,
    limits: &UploadLimits,
    now: Timestamp,
) -> std::result::Result<Checked, BadFile> {
    let headers = PartHeaders { captured_at: file.captured_at, digest: None };
    let checked = check_file(&file.name, &headers, limits, now)?;
    let bad = |code, detail: String| BadFile { file: file.name.clone(), code, detail, retry_after: None };
    if twice {
        return Err(bad(Code::DuplicateFilename, "another file of the batch has this name".to_owned()));
    }
    if file.size == 0 {
        return Err(bad(Code::EmptyFile, "the file has no bytes".to_owned()));
    }
    if file.size > limits.resumable_max_file_bytes {
        let detail = format!("the file is larger than {} bytes", limits.resumable_max_file_bytes);
        return Err(bad(Code::FileTooLarge, detail));
    }
    Ok(checked)
}
