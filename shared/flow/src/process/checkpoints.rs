//! Checkpoints: how far a delivery has come in each of its files, kept for the next delivery if it ends early.

use domain::checkpoint::Checkpoint;
use domain::{Job, JobFile};
use sha2::{Digest, Sha256};

use super::delivery::Delivery;
use super::outcome::FileError;
use super::segment_rules::segment_rules;
use crate::error::Kind;
use crate::first_pass::ENVELOPE;
use crate::ports::Written;
use crate::retry::with_retries;

/// The checkpoint of an earlier delivery of this file. A damaged one, or one of other bytes or rules, is ignored.
pub async fn checkpoint_of(delivery: &Delivery<'_>, index: usize) -> Result<Option<audio::Progress>, FileError> {
    let file = &delivery.job.files[index];
    if file.listened.is_nothing() {
        return Ok(None);
    }
    let services = delivery.services;
    let kept = match with_retries(&*services.clock, || services.store.checkpoint(delivery.job.id, index)).await {
        Err(error) if error.kind == Kind::Corrupt => None,
        kept => kept?,
    };
    let identity = identity(delivery, file);
    let place = kept.as_deref().and_then(|kept| kept.strip_prefix(&identity)).and_then(audio::Progress::unpack);
    tracing::debug!(
        job_id = %delivery.job.id, file = index, place = place.as_ref().map(audio::Progress::place),
        "listening continues at a checkpoint"
    );
    Ok(place)
}

/// Stores a checkpoint for each file that has progressed. If one cannot be stored, that work is done again, which costs
/// nothing but time.
pub async fn keep_checkpoints(delivery: &Delivery<'_>) {
    for (index, reached) in
        delivery.take_latest().into_iter().filter_map(|(index, latest)| Some((index, latest.take()?)))
    {
        let bytes = [&identity(delivery, &delivery.job.files[index])[..], &reached.packed].concat();
        let (rules, place) = (audio::Progress::RULES, reached.place);
        let checkpoint = Checkpoint { fence: delivery.fence, index, rules, place, bytes };
        match keep(delivery, &checkpoint).await {
            Ok(Written::Done(_)) => {}
            // The put-back will be refused too.
            Ok(Written::Fenced(_)) => return,
            Err(error) => {
                tracing::warn!(job_id = %delivery.job.id, file = index, %error, "a checkpoint could not be stored");
            }
        }
    }
}

async fn keep(delivery: &Delivery<'_>, checkpoint: &Checkpoint) -> crate::error::Result<Written<Job>> {
    let services = delivery.services;
    with_retries(&*services.clock, || services.store.save_checkpoint(delivery.job.id, checkpoint, services.at())).await
}

/// Identifies the bytes that a checkpoint belongs to, and the segment length by which they are cut.
fn identity(delivery: &Delivery<'_>, file: &JobFile) -> [u8; ENVELOPE] {
    let mut digest = Sha256::new();
    digest.update(file.sha256.0);
    digest.update(file.size.to_le_bytes());
    digest.update(segment_rules(delivery).preferred_ms().to_le_bytes());
    digest.update(&file.blob);
    let mut identity = [0; ENVELOPE];
    identity.copy_from_slice(&digest.finalize()[..ENVELOPE]);
    identity
}
