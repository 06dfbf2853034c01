//! What becomes of a batch at the door: a job of its own, or the job that has its recordings already.

use crate::failure::Failure;
use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::job::{Audio, Dispatch, DispatchState, Effects, Job, Lease, Status};
use crate::job_file::{FileStatus, JobFile};
use crate::name::Stream;
use crate::plan::Counts;
use crate::recording::{AudioFacts, Recording, State};
use crate::time::Timestamp;
use crate::transition::{Context, born_completed, take_turn};

/// A file whose bytes are staged.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedFile {
    pub name: String,
    pub blob: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
    pub stream: Stream,
    pub captured_at: Option<Timestamp>,
    /// It was listened to at the door, and is without speech by the strict rule.
    pub silent: Option<AudioFacts>,
}

/// A batch that is whole and within the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub job_id: JobId,
    pub uid: Uid,
    pub files: Vec<StagedFile>,
    pub conversation_id: Option<ConversationId>,
    pub language: Option<String>,
    pub traceparent: Option<String>,
}

impl Batch {
    pub fn recording_ids(&self) -> Vec<RecordingId> {
        self.files.iter().map(|file| RecordingId::derive(&self.uid, &file.name, &file.sha256)).collect()
    }
}

/// What the store knows that bears on the batch, read in the same transaction.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The job of this very id: the batch was accepted before, and the answer was lost.
    pub own: Option<Job>,
    /// In the order of [`Batch::recording_ids`].
    pub recordings: Vec<Option<Recording>>,
    /// The latest jobs of those recordings.
    pub jobs: Vec<Job>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// This job has every recording of the batch. Nothing is written; what was staged for the batch goes.
    Answer(Job),
    /// A new job; `deduplicated` when it is born at its end because every recording was finished before it.
    Create { job: Job, recordings: Vec<Recording>, deduplicated: bool },
    /// The batch was accepted before, with the same answer.
    Own { job: Job, deduplicated: bool },
}

pub fn decide(batch: &Batch, known: Known, ctx: Context<'_>) -> Decision {
    if let Some(job) = known.own {
        return Decision::Own { deduplicated: was_born_completed(&job), job };
    }
    let ids = batch.recording_ids();
    let finished = known.recordings.iter().all(|r| r.as_ref().is_some_and(Recording::is_finished));
    let answers = |job: &&Job| {
        if job.expires_at.is_some_and(|at| ctx.now.has_reached(at)) {
            return false;
        }
        let fits = if finished { job.status == Status::Completed } else { job.status.is_live() };
        fits && job.uid == batch.uid && ids.iter().all(|id| job.files.iter().any(|file| file.recording == *id))
    };
    if let Some(job) = known.jobs.iter().filter(answers).min_by_key(|job| (job.created_at, job.id)) {
        return Decision::Answer(job.clone());
    }
    let recordings: Vec<_> = known
        .recordings
        .into_iter()
        .zip(&ids)
        .zip(&batch.files)
        .map(|((known, id), file)| tie(known, *id, file, batch, ctx.now))
        .collect();
    let mut job = propose(batch, &recordings, ctx.now);
    if recordings.iter().all(Recording::is_finished) {
        // What was listened to at the door was worked on: that was the attempt.
        job.attempt = u32::from(!finished);
        job = born_completed(job, ctx);
    } else {
        take_turn(&mut job, ctx.turn_free, ctx);
    }
    Decision::Create { job, recordings, deduplicated: finished }
}

/// ...of recordings that were finished before it. No other job is completed without an attempt.
fn was_born_completed(job: &Job) -> bool {
    job.status == Status::Completed && job.attempt == 0
}

fn tie(known: Option<Recording>, id: RecordingId, file: &StagedFile, batch: &Batch, now: Timestamp) -> Recording {
    let mut recording = match known {
        Some(recording) => Recording { latest_job: batch.job_id, ..recording },
        None => Recording {
            id,
            uid: batch.uid.clone(),
            name: file.name.clone(),
            sha256: file.sha256,
            stream: file.stream.clone(),
            state: State::Known,
            captured_at: None,
            language: None,
            conversation_id: None,
            facts: AudioFacts::default(),
            plan: None,
            latest_job: batch.job_id,
            conversation_ids: Vec::new(),
            created_at: now,
        },
    };
    if let Some(facts) = file.silent {
        recording.heard_nothing(facts);
    }
    recording
}

fn propose(batch: &Batch, recordings: &[Recording], now: Timestamp) -> Job {
    let files: Vec<_> = batch.files.iter().zip(recordings).map(|(file, recording)| job_file(file, recording)).collect();
    Job {
        id: batch.job_id,
        uid: batch.uid.clone(),
        status: Status::Queued,
        created_at: now,
        updated_at: now,
        started_at: None,
        completed_at: None,
        expires_at: None,
        oldest_captured_at: files.iter().map(|f| f.captured_at.unwrap_or(now)).min().unwrap_or(now),
        files,
        conversation_id: batch.conversation_id,
        language: batch.language.clone(),
        attempt: 0,
        lease: Lease::default(),
        dispatch: Dispatch { state: DispatchState::Waiting, number: 1, not_before: None },
        due_at: None,
        waiting_for: None,
        waiting_since: None,
        waiting_until: None,
        effects: Effects::default(),
        audio: Audio::Staged,
        new_conversation_ids: Vec::new(),
        updated_conversation_ids: Vec::new(),
        done_at_claim: 0,
        result: None,
        error: None,
        retry_key: None,
        traceparent: batch.traceparent.clone(),
    }
}

fn job_file(file: &StagedFile, recording: &Recording) -> JobFile {
    let mut job_file = JobFile {
        name: file.name.clone(),
        blob: file.blob.clone(),
        size: file.size,
        sha256: file.sha256,
        crc32c: file.crc32c,
        recording: recording.id,
        stream: file.stream.clone(),
        captured_at: file.captured_at,
        status: FileStatus::Queued,
        failure: None::<Failure>,
        facts: AudioFacts::default(),
        counts: Counts::default(),
        failed: Vec::new(),
        conversation_ids: Vec::new(),
    };
    // In a mixed batch, what is finished is finished from the start.
    if recording.is_finished() {
        job_file.follow(recording);
    }
    job_file
}

#[cfg(test)]
mod tests;
