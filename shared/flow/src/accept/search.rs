//! Searching a small batch for speech during its upload. A batch proven silent needs no worker, and its client gets the
//! result at once.
//!
//! Only proven silence counts. With speech, damage, too much audio, too little time or no free permit, the batch is left to
//! the worker.

use std::sync::Arc;
use std::time::Duration;

use audio::{SegmentRules, Verdict};
use domain::accept::StagedFile;
use domain::recording::{AudioFacts, Recording};
use domain::{Codec, Format, RecordingId, Uid};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::intake::Intake;
use crate::blob_reader::StagedBlob;
use crate::error::Result;
use crate::first_pass::{LatestProgress, Listened, Pass, Retained, listen};
use crate::ports::BlobName;
use crate::services::Services;

/// The highest bit rate of Opus is 510 kbit/s; the other compressed codecs of devices use less.
const COMPRESSED_BYTES_A_SECOND: u64 = 64_000;
/// The segment length does not affect where speech is found, so that any value does.
const SPAN: Duration = Duration::from_secs(15);

/// Permits for searching batches on this instance: as many as there are cores. Nobody waits for one.
#[derive(Clone)]
pub struct Search {
    permits: Arc<Semaphore>,
}

impl Default for Search {
    fn default() -> Self {
        Self::with_permits(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

impl Search {
    pub fn with_permits(permits: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)) }
    }
}

impl Intake {
    /// Listens to a small batch before it is committed. Proven silence becomes part of the commit; any other result changes
    /// nothing. Dropping the future ends the decoding too.
    pub async fn search(&mut self, search: &Search) {
        let limits = &self.services.settings.upload;
        if !self.bad.is_empty() || !is_small(&self.files, limits.inline_audio) {
            return;
        }
        // The permit is held until the decoding thread has ended, even if nobody waits for its result any more.
        let Ok(permit) = Arc::clone(&search.permits).try_acquire_owned() else { return };
        let searched = SearchedBatch { services: &self.services, uid: &self.uid, files: &self.files };
        let found = tokio::select! {
            found = searched.silence(limits.inline_audio, Arc::new(permit)) => found,
            () = self.services.clock.sleep(limits.inline_search) => Ok(None),
        };
        let facts = found.unwrap_or_else(|error| {
            tracing::warn!(job_id = %self.job_id, %error, "a batch could not be searched for speech during its upload");
            None
        });
        let (files, silent) = (self.files.len(), facts.is_some());
        tracing::debug!(job_id = %self.job_id, files, silent, "a batch was searched for speech during its upload");
        for (file, facts) in self.files.iter_mut().zip(facts.into_iter().flatten()) {
            file.silent = Some(facts);
        }
    }
}

struct SearchedBatch<'a> {
    services: &'a Services,
    uid: &'a Uid,
    files: &'a [StagedFile],
}

impl SearchedBatch<'_> {
    /// The facts of every file, if all of them are new and silent.
    async fn silence(&self, most: Duration, permit: Arc<OwnedSemaphorePermit>) -> Result<Option<Vec<AudioFacts>>> {
        if !self.all_are_new().await? {
            return Ok(None);
        }
        let (mut left, mut all) = (most, Vec::with_capacity(self.files.len()));
        for file in self.files {
            let Some(facts) = self.listen_to(file, left, Arc::clone(&permit)).await? else { return Ok(None) };
            left = left.saturating_sub(Duration::from_millis(facts.duration_ms));
            all.push(facts);
        }
        Ok(Some(all))
    }

    /// Whether none of the files was listened to before. Otherwise nothing is decoded: the recordings know their state.
    async fn all_are_new(&self) -> Result<bool> {
        let id = |file: &StagedFile| RecordingId::derive(self.uid, &file.name, &file.sha256);
        let ids: Vec<_> = self.files.iter().map(id).collect();
        let known = self.services.store.recordings(self.uid, &ids).await?;
        Ok(known.iter().flatten().all(Recording::needs_listening))
    }

    async fn listen_to(
        &self,
        file: &StagedFile,
        within: Duration,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> Result<Option<AudioFacts>> {
        let Ok(name) = domain::name::parse(&file.name) else { return Ok(None) };
        let services = self.services;
        let blob = BlobName::listed(file.blob.clone());
        let staged = StagedBlob { blobs: &services.blobs, blob, size: file.size, format: name.format, clock: None };
        let (rules, detection) = (SegmentRules::new(SPAN), services.detection.clone());
        let pass = Pass { rules, detection, within: Some(within), from: None, latest: LatestProgress::default() };
        // The server computed the digest of these bytes as they arrived, so that they need no verification.
        Ok(match listen(&staged, Retained::Nothing, pass, permit).await? {
            Listened::Readable(file) if file.verdict() == Verdict::Silent => Some(file.facts()),
            _ => None,
        })
    }
}

/// Whether the batch may be short enough, judged by its bytes before decoding. It may still turn out to be too long.
fn is_small(files: &[StagedFile], most: Duration) -> bool {
    let at_least = |file: &StagedFile| {
        let name = domain::name::parse(&file.name).ok()?;
        Some(file.size.saturating_mul(1000) / most_bytes_a_second(&name.format))
    };
    let sum = files.iter().map(at_least).try_fold(0, |sum: u64, ms| Some(sum.saturating_add(ms?)));
    !files.is_empty() && !most.is_zero() && sum.is_some_and(|ms| u128::from(ms) <= most.as_millis())
}

/// The highest number of bytes for a second of audio, with a quarter added for the length prefixes of frames.
fn most_bytes_a_second(format: &Format) -> u64 {
    let Format::Frames(frames) = format else { return COMPRESSED_BYTES_A_SECOND };
    let samples = u64::from(frames.rate) * u64::from(frames.channels);
    let coded = match frames.codec {
        Codec::Pcm16 => 2 * samples,
        Codec::Pcm8 | Codec::Mulaw8 | Codec::Mulaw16 => samples,
        Codec::Opus | Codec::OpusFs320 | Codec::Aac | Codec::Lc3Fs1030 => COMPRESSED_BYTES_A_SECOND,
    };
    (coded + coded / 4).max(1)
}

#[cfg(test)]
mod tests;
