//! The decision on an uploaded batch: it becomes a new job, or the job that already has its recordings is the answer.

use crate::decision::{Created, Decided, Withdrawn, Writes};
use crate::failure::Failure;
use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::invalid_write::InvalidWrite;
use crate::job::{Audio, Dispatch, DispatchState, Effects, Job, Lease, Status};
use crate::job_file::{FileStatus, JobFile};
use crate::listened::Listened;
use crate::name::Stream;
use crate::plan::Counts;
use crate::recording::{AudioFacts, Recording, State};
use crate::time::Timestamp;
use crate::transition::{Context, create_finished, end_cancelled, is_done, take_slot};

/// An uploaded file whose bytes are staged in the blob store.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedFile {
    pub name: String,
    pub blob: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
    pub stream: Stream,
    pub captured_at: Option<Timestamp>,
    /// Set when the first pass already ran during the upload and found no speech by the strict rule.
    pub silent: Option<AudioFacts>,
}

/// A batch that arrived completely and is within the limits.
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

/// The stored jobs and recordings that the decision depends on, read in the same transaction.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The job with the batch's own id, if it exists: the batch was accepted before, and the response was lost.
    pub own: Option<Job>,
    /// The recordings as far as they are known, in the order of [`Batch::recording_ids`].
    pub recordings: Vec<Option<Recording>>,
    /// The latest jobs of those recordings.
    pub jobs: Vec<Job>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// This existing job has every recording of the batch. Nothing is written, and the staged bytes of the batch are
    /// deleted.
    Answer(Job),
    /// A new job. It is `deduplicated` if every recording was finished before, so that the job is created already finished.
    Create { job: Job, recordings: Vec<Recording>, deduplicated: bool },
    /// The batch was accepted before; the response is the same as then.
    Own { job: Job, deduplicated: bool },
}

impl Decision {
    /// Whether the decision is a job for which it matters if a slot of its user is free.
    pub fn needs_slot(&self) -> bool {
        matches!(self, Self::Create { job, .. } if job.status == Status::Queued)
    }
}

impl From<Decision> for Decided<Created> {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Own { job, deduplicated } => Self::without_writes(Created::New { job, deduplicated }),
            Decision::Answer(job) => Self::without_writes(Created::Answered(job)),
            Decision::Create { job, recordings, deduplicated } => {
                let writes = Writes { recordings, created: Some(job.clone()), ..Writes::default() };
                Self { answer: Created::New { job, deduplicated }, writes }
            }
        }
    }
}

/// The job that has the id of a new one, which the user must own.
pub fn own(job: Option<Job>, uid: &Uid) -> Result<Option<Job>, InvalidWrite> {
    match job {
        Some(job) if job.uid != *uid => Err(InvalidWrite::JobOfAnotherUser),
        own => Ok(own),
    }
}

/// The jobs that a decision on these recordings has to know: the latest one of each.
pub fn latest_jobs(recordings: &[Option<Recording>]) -> Vec<JobId> {
    let mut ids: Vec<_> = recordings.iter().flatten().map(|recording| recording.latest_job).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

pub fn decide(batch: &Batch, known: Known, ctx: Context<'_>) -> Decision {
    if let Some(job) = known.own {
        return Decision::Own { deduplicated: was_created_finished(&job), job };
    }
    let finished = all_finished(&known.recordings);
    if let Some(job) = find_answering_job(&batch.uid, &batch.recording_ids(), &known, ctx.now) {
        if job.id == batch.job_id {
            // An earlier try was committed between two reads of this one. The staged audio is the job's own.
            return Decision::Own { deduplicated: was_created_finished(job), job: job.clone() };
        }
        return Decision::Answer(job.clone());
    }
    let mut job = propose(batch, ctx.now);
    // The server computed the digests of a batch itself. Those of an upload session are only announced by the client.
    job.files.iter_mut().for_each(|file| file.verified = true);
    let mut recordings = link_recordings(&mut job, known.recordings, ctx.now);
    complete_silent_files(&mut job, &mut recordings, batch);
    if recordings.iter().all(Recording::is_finished) {
        // A file that was listened to during the upload counts as the job's one attempt.
        job.attempt = u32::from(!finished);
        job = create_finished(job, ctx);
    } else {
        take_slot(&mut job, ctx.slot_free, ctx);
    }
    Decision::Create { job, recordings, deduplicated: finished }
}

/// Decides what becomes of a batch whose creation has an unknown outcome. If it has become a job, that is the answer.
/// Otherwise a cancelled job takes its id: a creation that is still under way is refused then, and the staged audio is
/// deleted as that of every cancelled job is.
pub fn withdraw(batch: &Batch, own: Option<Job>, ctx: Context<'_>) -> Decided<Withdrawn> {
    match own {
        Some(job) if job.status == Status::Cancelled => Decided::without_writes(Withdrawn::Cancelled(job)),
        Some(job) => {
            let deduplicated = was_created_finished(&job);
            Decided::without_writes(Withdrawn::Job { job, deduplicated })
        }
        None => {
            let mut job = propose(batch, ctx.now);
            end_cancelled(&mut job, ctx);
            let writes = Writes { created: Some(job.clone()), ..Writes::default() };
            Decided { answer: Withdrawn::Cancelled(job), writes }
        }
    }
}

/// Completes the files that the first pass found silent during the upload, unless their recording already has a plan or
/// is finished.
fn complete_silent_files(job: &mut Job, recordings: &mut [Recording], batch: &Batch) {
    for ((file, recording), staged) in job.files.iter_mut().zip(recordings).zip(&batch.files) {
        let Some(facts) = staged.silent else { continue };
        recording.mark_silent(facts);
        if recording.is_finished() {
            file.follow(recording);
        }
    }
}

/// Whether nothing is left to do for any recording of the batch.
pub(crate) fn all_finished(recordings: &[Option<Recording>]) -> bool {
    recordings.iter().all(|recording| recording.as_ref().is_some_and(Recording::is_finished))
}

/// Finds an existing job that has every recording of a batch: one with nothing left to do if all recordings are finished,
/// otherwise a live one. Of several, the oldest is taken.
pub(crate) fn find_answering_job<'a>(
    uid: &Uid,
    ids: &[RecordingId],
    known: &'a Known,
    now: Timestamp,
) -> Option<&'a Job> {
    let finished = all_finished(&known.recordings);
    let answers = |job: &&Job| {
        if job.has_expired(now) {
            return false;
        }
        let fits = if finished { has_done_all(job) } else { job.status.is_live() };
        fits && job.uid == *uid && ids.iter().all(|id| job.files.iter().any(|file| file.recording == *id))
    };
    known.jobs.iter().filter(answers).min_by_key(|job| (job.created_at, job.id))
}

/// Whether the job is completed, or partly failed only because a recording could be decoded in part.
fn has_done_all(job: &Job) -> bool {
    matches!(job.status, Status::Completed | Status::PartialFailure) && is_done(job)
}

/// Whether the job was created already finished: only such a job has everything done without an attempt.
pub(crate) fn was_created_finished(job: &Job) -> bool {
    has_done_all(job) && job.attempt == 0
}

/// Makes the job the latest one of its recordings. Files whose recordings are finished already start as finished.
pub(crate) fn link_recordings(job: &mut Job, known: Vec<Option<Recording>>, now: Timestamp) -> Vec<Recording> {
    let (id, uid) = (job.id, job.uid.clone());
    let link = |(known, file): (Option<Recording>, &mut JobFile)| {
        let recording = match known {
            Some(recording) => Recording { latest_job: id, ..recording },
            None => new_recording(file, &uid, id, now),
        };
        if recording.is_finished() {
            file.follow(&recording);
        }
        recording
    };
    known.into_iter().zip(&mut job.files).map(link).collect()
}

/// A recording of which only the file is known: it is new, or its document can no longer be read.
pub fn new_recording(file: &JobFile, uid: &Uid, job: JobId, now: Timestamp) -> Recording {
    Recording {
        id: file.recording,
        uid: uid.clone(),
        name: file.name.clone(),
        sha256: file.sha256,
        stream: file.stream.clone(),
        state: State::Known,
        captured_at: None,
        language: None,
        conversation_id: None,
        facts: AudioFacts::default(),
        plan: None,
        latest_job: job,
        conversation_ids: Vec::new(),
        created_at: now,
    }
}

pub(crate) fn propose(batch: &Batch, now: Timestamp) -> Job {
    let files: Vec<_> = batch.files.iter().zip(batch.recording_ids()).map(|(file, id)| job_file(file, id)).collect();
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
        dispatch: Dispatch { state: DispatchState::Waiting, number: 1, not_before: None, slot_is_provisional: false },
        due_at: None,
        waiting_for: None,
        waiting_since: None,
        waiting_until: None,
        wait_reason: None,
        effects: Effects::default(),
        audio: Audio::Staged,
        new_conversation_ids: Vec::new(),
        updated_conversation_ids: Vec::new(),
        done_at_claim: 0,
        result: None,
        error: None,
        retry_key: None,
        traceparent: batch.traceparent.clone(),
        answered_by: None,
    }
}

fn job_file(file: &StagedFile, recording: RecordingId) -> JobFile {
    JobFile {
        name: file.name.clone(),
        blob: file.blob.clone(),
        size: file.size,
        sha256: file.sha256,
        crc32c: file.crc32c,
        recording,
        stream: file.stream.clone(),
        captured_at: file.captured_at,
        status: FileStatus::Queued,
        failure: None::<Failure>,
        facts: AudioFacts::default(),
        counts: Counts::default(),
        failed: Vec::new(),
        conversation_ids: Vec::new(),
        verified: false,
        upload: None,
        listened: Listened::default(),
    }
}

#[cfg(test)]
mod tests;
