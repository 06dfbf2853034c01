//! The effects of a job's end: the push and the clean-up. Each is marked when it is done, and repeated until then.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::job::Audio;
use domain::{Command, Job, JobId, Status, Timestamp};
use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::error::{Kind, REMEDY, Result};
use crate::metrics;
use crate::ports::{BlobName, Device, PushMessage, PushOutcome, Stepped};
use crate::retry::with_retries;
use crate::services::Services;

/// The largest payload that push services accept.
const MAX_PUSH_BYTES: usize = 4096;
/// The shortest pause after a push that was not delivered.
const PUSH_PAUSE: Duration = Duration::from_secs(30);
/// The pause if only a person can fix the cause. Each job retries, and logs the error, until it gives its push up.
const PUSH_PAUSE_MISCONFIGURED: Duration = Duration::from_secs(600);

/// Runs the effects that are due. An error is only logged: the job stays due, and the sweep tries again.
pub async fn run(services: &Services, job: &Job) {
    if let Err(error) = try_run(services, job).await {
        const WHAT: &str = "effects of a finished job failed; the sweep will retry them";
        if services.instance.effects_alarm.is_time(services.now()) {
            tracing::warn!(job_id = %job.id, %error, "{WHAT}; for a minute, more of this is logged at the level debug");
        } else {
            tracing::debug!(job_id = %job.id, %error, "{WHAT}");
        }
    }
}

/// Runs the effects that are due, and returns the number of deleted blobs.
pub async fn try_run(services: &Services, job: &Job) -> Result<u64> {
    let now = services.now();
    let (pushes, cleans) = (job.effects.push.is_due(now), job.effects.cleanup.is_due(now));
    // Both effects run concurrently, and an error of one does not stop the other. Only their marks are written one
    // after the other, because both are in the job's document.
    let marks = Mutex::new(());
    let push = async { if pushes { push(services, job, &marks).await } else { Ok(()) } };
    let clean_up = async { if cleans { clean_up(services, job, &marks).await } else { Ok(0) } };
    let (pushed, cleaned) = tokio::join!(push, clean_up);
    pushed.and(cleaned)
}

/// Writes one mark, while no other is being written.
async fn mark(services: &Services, job: JobId, command: &Command, marks: &Mutex<()>) -> Result<Stepped> {
    let _alone = marks.lock().await;
    services.step(job, command).await
}

async fn push(services: &Services, job: &Job, marks: &Mutex<()>) -> Result<()> {
    let fence = job.lease.fence;
    let command = match push_all(services, job).await {
        Ok(None) => Command::PushDone { fence },
        Ok(Some(wait)) => Command::PushLater { fence, at: services.now() + wait },
        // A store that cannot list the devices only postpones the push, and the job gives it up at the end of its time.
        Err(error) => {
            tracing::warn!(job_id = %job.id, %error, "the devices to push to could not be read; the push is retried");
            Command::PushLater { fence, at: services.now() + PUSH_PAUSE }
        }
    };
    mark(services, job.id, &command, marks).await?;
    tracing::debug!(step = "push", job_id = %job.id, done = matches!(command, Command::PushDone { .. }));
    Ok(())
}

/// Pushes to all devices at the same time, so that a push service that does not answer is waited for once. Returns how
/// long to wait before a retry, if one is needed.
async fn push_all(services: &Services, job: &Job) -> Result<Option<Duration>> {
    let devices = with_retries(&*services.clock, || services.store.devices(&job.uid)).await?;
    let message = message(job);
    let sends = devices.iter().map(|device| send(services, job.id, device, &message));
    let mut later = None;
    for sent in join_all(sends).await {
        later = later.max(sent?);
    }
    Ok(later)
}

/// Pushes to one device. Returns how long to wait before a retry, if one can help.
async fn send(services: &Services, job: JobId, device: &Device, message: &PushMessage) -> Result<Option<Duration>> {
    let outcome = services.push.send(device, message).await;
    metrics::pushed(match &outcome {
        Ok(PushOutcome::Sent) => "sent",
        Ok(PushOutcome::Unregistered) => "unregistered",
        Ok(PushOutcome::Later(_)) => "later",
        Ok(PushOutcome::Rejected(_)) => "rejected",
        Err(_) => "failed",
    });
    match outcome {
        Ok(PushOutcome::Sent) => Ok(None),
        Ok(PushOutcome::Later(wait)) => {
            let wait = wait.unwrap_or(PUSH_PAUSE).max(PUSH_PAUSE);
            let (job_id, device_id, seconds) = (job, &device.id, wait.as_secs());
            tracing::warn!(%job_id, %device_id, seconds, "the push service is too busy; the push waits");
            Ok(Some(wait))
        }
        Ok(PushOutcome::Unregistered) => {
            services.store.drop_token(&device.uid, &device.id, &device.token).await?;
            Ok(None)
        }
        Ok(PushOutcome::Rejected(why)) => {
            tracing::error!(
                job_id = %job, device_id = %device.id, why,
                remedy = "see that the app and cloud.project are of one Firebase project, which has the APNs key",
                "a push was refused; a person has to look"
            );
            Ok(None)
        }
        Err(error) if error.kind == Kind::Misconfigured => {
            tracing::error!(
                job_id = %job, device_id = %device.id, %error, remedy = REMEDY,
                "no push gets through until a person mends it"
            );
            Ok(Some(PUSH_PAUSE_MISCONFIGURED))
        }
        Err(error) => {
            tracing::warn!(job_id = %job, device_id = %device.id, %error, "a push did not get through; it is tried again");
            Ok(Some(PUSH_PAUSE))
        }
    }
}

/// The silent push message of a finished job: only data, and every value is a string.
pub fn message(job: &Job) -> PushMessage {
    let mut data = BTreeMap::new();
    let mut put = |key: &str, value: String| _ = data.insert(key.to_owned(), value);
    put("job_id", job.id.to_string());
    put("completed_at", job.completed_at.map(|at| at.to_string()).unwrap_or_default());
    put("status", job.status.as_str().to_owned());
    if job.status == Status::Failed {
        put("type", "offline_sync_failed".to_owned());
        put("code", job.error.as_ref().map(|e| e.code.to_string()).unwrap_or_default());
        return PushMessage { data };
    }
    put("type", "offline_sync_completed".to_owned());
    let used: usize = data.iter().map(|(k, v)| k.len() + v.len()).sum();
    // 512 bytes are reserved for the keys, the flag and the service's own framing.
    let room = (MAX_PUSH_BYTES - used - 512) / 2;
    let (new, cut_new) = joined(&job.new_conversation_ids, room);
    let (updated, cut_updated) = joined(&job.updated_conversation_ids, room);
    data.insert("new_conversation_ids".to_owned(), new);
    data.insert("updated_conversation_ids".to_owned(), updated);
    if cut_new || cut_updated {
        data.insert("truncated".to_owned(), "true".to_owned());
    }
    PushMessage { data }
}

fn joined(ids: &[domain::ConversationId], room: usize) -> (String, bool) {
    let mut text = String::new();
    for id in ids {
        let id = id.to_string();
        if text.len() + 1 + id.len() > room {
            return (text, true);
        }
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&id);
    }
    (text, false)
}

/// Cleans up in three steps: the job is marked as without audio, which rules out a retry; the blobs are deleted; the
/// clean-up is marked as done.
async fn clean_up(services: &Services, job: &Job, marks: &Mutex<()>) -> Result<u64> {
    let fence = job.lease.fence;
    if job.audio == Audio::Staged
        && let Stepped::Refused { .. } | Stepped::NoSuchJob =
            mark(services, job.id, &Command::AudioGone { fence }, marks).await?
    {
        return Ok(0);
    }
    for file in &job.files {
        let blob = BlobName::listed(file.blob.clone());
        if let Some(upload) = &file.upload {
            with_retries(&*services.clock, || services.uploads.abandon(&blob, upload.url.as_ref())).await?;
        }
        with_retries(&*services.clock, || services.blobs.delete(&blob)).await?;
    }
    mark(services, job.id, &Command::CleanedUp { fence }, marks).await?;
    tracing::debug!(step = "clean_up", job_id = %job.id);
    Ok(job.files.len() as u64)
}

/// Whether any effect is due, for callers that decide before they run effects.
pub fn due(job: &Job, now: Timestamp) -> bool {
    job.effects.push.is_due(now) || job.effects.cleanup.is_due(now)
}
