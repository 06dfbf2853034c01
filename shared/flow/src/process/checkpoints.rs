//! How far a delivery has come in each of its files, kept for the next one when it ends before they do.

use domain::checkpoint::Checkpoint;
use domain::{Job, JobFile};
use sha2::{Digest, Sha256};

use super::delivery::Delivery;
use super::outcome::FileError;
use crate::error::Kind;
use crate::first_pass::{ENVELOPE, LatestProgress};
use crate::ports::Written;
use crate::retry::with_retries;

impl Delivery<'_> {
    /// Where the threads of this file leave how far they came.
    pub fn latest(&self, index: usize) -> LatestProgress {
        let mut latest = self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        latest.entry(index).or_default().clone()
    }

    /// Where an earlier delivery stopped in this file. What is of other bytes or of other rules, or damaged, is nothing.
    pub async fn checkpoint_of(&self, index: usize) -> Result<Option<audio::Progress>, FileError> {
        let file = &self.job.files[index];
        if file.listened.is_nothing() {
            return Ok(None);
        }
        let services = self.services;
        let kept = match with_retries(&*services.clock, || services.store.checkpoint(self.job.id, index)).await {
            Err(error) if error.kind == Kind::Corrupt => None,
            kept => kept?,
        };
        let whose = self.whose(file);
        let place = kept.as_deref().and_then(|kept| kept.strip_prefix(&whose)).and_then(audio::Progress::unpack);
        tracing::debug!(job_id = %self.job.id, file = index, place = place.as_ref().map(audio::Progress::place), "goes on");
        Ok(place)
    }

    /// Keeps where the threads of all files came. What cannot be kept is worked on again: that costs time and nothing
    /// else.
    pub async fn keep_checkpoints(&self) {
        let latest: Vec<_> = {
            let mut latest = self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::take(&mut *latest).into_iter().collect()
        };
        for (index, reached) in latest.into_iter().filter_map(|(index, latest)| Some((index, latest.take()?))) {
            let bytes = [&self.whose(&self.job.files[index])[..], &reached.packed].concat();
            let (rules, place) = (audio::Progress::RULES, reached.place);
            let checkpoint = Checkpoint { fence: self.fence, index, rules, place, bytes };
            match self.keep(&checkpoint).await {
                Ok(Written::Done(_)) => {}
                // The put-back will be told so too.
                Ok(Written::Fenced(_)) => return,
                Err(error) => {
                    tracing::warn!(job_id = %self.job.id, file = index, %error, "how far a file has come could not be kept");
                }
            }
        }
    }

    async fn keep(&self, checkpoint: &Checkpoint) -> crate::error::Result<Written<Job>> {
        let services = self.services;
        with_retries(&*services.clock, || services.store.save_checkpoint(self.job.id, checkpoint, services.at())).await
    }

    /// Names the bytes that a place is of, and the engine's wish that its segments were made by.
    fn whose(&self, file: &JobFile) -> [u8; ENVELOPE] {
        let mut digest = Sha256::new();
        digest.update(file.sha256.0);
        digest.update(file.size.to_le_bytes());
        digest.update(self.segment_rules().preferred_ms().to_le_bytes());
        digest.update(&file.blob);
        let mut whose = [0; ENVELOPE];
        whose.copy_from_slice(&digest.finalize()[..ENVELOPE]);
        whose
    }
}
