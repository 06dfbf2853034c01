//! The intake of a batch while it streams in.

use bytes::Bytes;
use domain::accept::StagedFile;
use domain::{Code, JobId, Uid};
use sha2::{Digest, Sha256};

use super::check::{BatchOptions, Checked, PartHeaders, check_file, shown};
use super::refusal::{BadFile, Refused};
use crate::ports::{BlobName, BlobWriter, Verdict};
use crate::services::Services;
use crate::staging::StagingGuard;

/// Takes the files of one batch, one after the other. If it is dropped or the batch is refused, nothing is left behind.
pub struct Intake {
    pub(super) services: Services,
    pub(super) uid: Uid,
    pub(super) job_id: JobId,
    pub(super) terms: BatchOptions,
    pub(super) files: Vec<StagedFile>,
    pub(super) staged: StagedBlobs,
    /// Protects the blobs from the orphan rule until the job exists or the batch is given up.
    _staging: StagingGuard,
    pub(super) bad: Vec<BadFile>,
    names: Vec<String>,
    batch_bytes: u64,
    current: Option<Current>,
}

/// The file whose bytes are arriving.
struct Current {
    name: String,
    headers: PartHeaders,
    checked: Option<Checked>,
    size: u64,
    /// `None` if the batch will be refused anyway: then the bytes are only counted and digested.
    writer: Option<Box<dyn BlobWriter>>,
    blob: BlobName,
    digest: Option<Sha256>,
}

impl Intake {
    /// Asks for the user's admission, before a byte is read.
    pub async fn begin(services: &Services, uid: Uid, terms: BatchOptions) -> Result<Self, Refused> {
        if let Verdict::Refuse { code, retry_after, detail } = services.admission.admit(&uid).await? {
            return Err(Refused::Batch { code, detail, retry_after: Some(retry_after) });
        }
        let job_id = services.random.job_id();
        Ok(Self {
            staged: StagedBlobs::new(services),
            _staging: services.staging.begin(job_id),
            services: services.clone(),
            job_id,
            uid,
            terms,
            files: Vec::new(),
            bad: Vec::new(),
            names: Vec::new(),
            batch_bytes: 0,
            current: None,
        })
    }

    /// Starts the next file. After a bad name the batch is still read on, so that every bad file can be reported.
    pub async fn start_file(&mut self, name: &str, headers: PartHeaders) -> Result<(), Refused> {
        let limits = &self.services.settings.upload;
        if self.names.len() >= limits.max_files {
            let detail = format!("a batch has at most {} files", limits.max_files);
            return Err(Refused::batch(Code::TooManyFiles, detail));
        }
        let checked = match check_file(name, &headers, limits, self.services.now()) {
            Err(bad) => self.note(bad),
            Ok(_) if self.names.iter().any(|n| n == name) => self.note(BadFile {
                file: name.to_owned(),
                code: Code::DuplicateFilename,
                detail: "another file of the batch has this name".to_owned(),
                retry_after: None,
            }),
            Ok(checked) => Some(checked),
        };
        let blob = BlobName::new(&self.uid, self.job_id, self.names.len(), name);
        let name = shown(name);
        self.names.push(name.clone());
        let writer = if self.bad.is_empty() { Some(self.services.blobs.create(&blob).await?) } else { None };
        let digest = (writer.is_none() && headers.digest.is_some()).then(Sha256::new);
        self.current = Some(Current { name, headers, checked, size: 0, writer, blob, digest });
        Ok(())
    }

    fn note(&mut self, bad: BadFile) -> Option<Checked> {
        self.bad.push(bad);
        None
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Refused> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let limits = &self.services.settings.upload;
        current.size += bytes.len() as u64;
        self.batch_bytes += bytes.len() as u64;
        if current.size > limits.max_file_bytes {
            let detail = format!("the file is larger than {} bytes", limits.max_file_bytes);
            let file = current.name.clone();
            self.bad.push(BadFile { file, code: Code::FileTooLarge, detail, retry_after: None });
            // Reading stops here, because the rest may be endless.
            return Err(Refused::Files(std::mem::take(&mut self.bad)));
        }
        if self.batch_bytes > limits.max_batch_bytes {
            let detail = format!("the batch is larger than {} bytes", limits.max_batch_bytes);
            return Err(Refused::batch(Code::BatchTooLarge, detail));
        }
        if let Some(digest) = &mut current.digest {
            digest.update(&bytes);
        }
        if let Some(writer) = &mut current.writer {
            writer.write(bytes).await?;
        }
        Ok(())
    }

    pub async fn end_file(&mut self) -> Result<(), Refused> {
        let Some(current) = self.current.take() else { return Ok(()) };
        if current.size == 0 {
            self.refuse_file(current, Code::EmptyFile, "the file has no bytes").await;
            return Ok(());
        }
        let Current { name, headers, checked, size, writer, blob, digest } = current;
        let Some(writer) = writer else {
            let sha256: Option<[u8; 32]> = digest.map(|d| d.finalize().into());
            if sha256.is_some() && sha256 != headers.digest.map(|d| d.0) {
                self.note(mismatch(&name));
            }
            return Ok(());
        };
        // From here on the blob may exist, even if `finish` fails.
        self.staged.add(blob.clone());
        let stored = writer.finish().await?;
        if headers.digest.is_some_and(|digest| digest != stored.sha256) {
            self.note(mismatch(&name));
            return Ok(());
        }
        let Some(Checked { stream, captured_at }) = checked else { return Ok(()) };
        let (sha256, crc32c, blob) = (stored.sha256, stored.crc32c, blob.as_str().to_owned());
        self.files.push(StagedFile { name, blob, size, sha256, crc32c, stream, captured_at, silent: None });
        Ok(())
    }

    async fn refuse_file(&mut self, current: Current, code: Code, detail: &str) {
        if let Some(writer) = current.writer {
            writer.abort().await;
        }
        let known = self.bad.iter().any(|bad| bad.file == current.name);
        if !known {
            self.note(BadFile { file: current.name, code, detail: detail.to_owned(), retry_after: None });
        }
    }

    /// Refuses the complete batch if anything in it is wrong.
    pub(super) fn verdict(&mut self) -> Result<(), Refused> {
        if !self.bad.is_empty() {
            return Err(Refused::Files(std::mem::take(&mut self.bad)));
        }
        if self.files.is_empty() {
            return Err(Refused::batch(Code::EmptyBatch, "the batch has no part named `files`"));
        }
        Ok(())
    }
}

fn mismatch(name: &str) -> BadFile {
    BadFile {
        file: name.to_owned(),
        code: Code::DigestMismatch,
        detail: "the bytes that arrived differ from `Content-Digest`".to_owned(),
        retry_after: None,
    }
}

/// The blobs that are staged so far. Unless they are handed over to a job they are deleted: at once by
/// [`StagedBlobs::remove`], or in the background when a request is dropped because its client disconnected.
pub(super) struct StagedBlobs {
    services: Option<Services>,
    blobs: Vec<BlobName>,
}

impl StagedBlobs {
    fn new(services: &Services) -> Self {
        Self { services: Some(services.clone()), blobs: Vec::new() }
    }

    fn add(&mut self, blob: BlobName) {
        self.blobs.push(blob);
    }

    /// Hands the blobs over, because a job owns them or may own them. From now on the caller decides what happens to them.
    pub(super) fn hand_over(&mut self) -> Vec<BlobName> {
        std::mem::take(&mut self.blobs)
    }

    pub(super) async fn remove(&mut self) {
        if let Some(services) = self.services.clone() {
            delete_all(services, std::mem::take(&mut self.blobs)).await;
        }
    }
}

impl Drop for StagedBlobs {
    fn drop(&mut self) {
        let blobs = std::mem::take(&mut self.blobs);
        let (Some(services), false) = (self.services.take(), blobs.is_empty()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(delete_all(services, blobs));
        }
    }
}

pub(super) async fn delete_all(services: Services, blobs: Vec<BlobName>) {
    for blob in blobs {
        if let Err(error) = services.blobs.delete(&blob).await {
            tracing::warn!(%blob, %error, "a refused upload left a blob; the orphan rule removes it");
        }
    }
}
