//! Completion of an upload session whose bytes have all arrived: it becomes a queued job, unless another job has all of
//! its recordings by then.

use crate::accept::{self, Known};
use crate::decision::{Decided, JobChange, SessionCompleted, Writes};
use crate::id::RecordingId;
use crate::job::{Job, Status};
use crate::recording::Recording;
use crate::transition::{Context, create_finished, end_answered, later_than, take_slot};

/// A completely uploaded file, with size and checksum as the blob store reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeFile {
    pub index: usize,
    pub size: u64,
    pub crc32c: u32,
}

/// A session to be completed, and the stored data that this depends on, read in the same transaction.
#[derive(Clone, Debug)]
pub struct Completing<'a> {
    pub session: Job,
    /// The recordings of the session's files, in order, and their latest jobs.
    pub known: Known,
    pub whole: &'a [WholeFile],
}

#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// The session was completed before and is an ordinary job now.
    Before { deduplicated: bool },
    /// The session was ended before, because another job has its recordings.
    AnsweredBefore,
    /// The session expired or was cancelled.
    Ended,
    /// These files are not completely uploaded. Nothing is written.
    Incomplete(Vec<usize>),
    /// Another job has every recording, so that the session ends.
    Answer { by: Box<Job>, session: Job },
    /// The session becomes a queued job, or a finished one (`deduplicated`) if all of its recordings were finished before.
    Job { job: Job, recordings: Vec<Recording>, deduplicated: bool },
}

impl Completion {
    /// The answer and the writes for this session. `answering` is the job that the session names as its answer, as it is
    /// stored now.
    pub fn decided(self, session: Job, answering: Option<Job>) -> Decided<SessionCompleted> {
        let (answer, recordings, job) = match self {
            Self::Before { deduplicated } => {
                return Decided::without_writes(SessionCompleted::Job { job: session, deduplicated });
            }
            Self::AnsweredBefore => {
                let answered = |by| SessionCompleted::Answered { by: Box::new(by), session };
                return Decided::without_writes(answering.map_or(SessionCompleted::NoSuchJob, answered));
            }
            Self::Ended => return Decided::without_writes(SessionCompleted::Ended(session)),
            Self::Incomplete(missing) => {
                return Decided::without_writes(SessionCompleted::Incomplete { job: session, missing });
            }
            Self::Answer { by, session } => {
                (SessionCompleted::Answered { by, session: session.clone() }, Vec::new(), session)
            }
            Self::Job { job, recordings, deduplicated } => {
                (SessionCompleted::Job { job: job.clone(), deduplicated }, recordings, job)
            }
        };
        let changed = vec![JobChange { before: session, job }];
        Decided { answer, writes: Writes { recordings, changed, created: None } }
    }
}

/// The recordings that a store reads before it completes a session. They matter only while the session is open.
pub fn recordings_to_read(session: &Job) -> Vec<RecordingId> {
    if session.status == Status::Uploading { session.recording_ids() } else { Vec::new() }
}

pub fn complete(completing: Completing<'_>, ctx: Context<'_>) -> Completion {
    let Completing { session, known, whole } = completing;
    match (session.status, session.answered_by) {
        (Status::Uploading, _) => {}
        (Status::Cancelled, Some(_)) => return Completion::AnsweredBefore,
        (Status::Cancelled, None) => return Completion::Ended,
        _ => return Completion::Before { deduplicated: accept::was_created_finished(&session) },
    }
    if let Some(by) = accept::find_answering_job(&session.uid, &session.recording_ids(), &known, ctx.now) {
        let session = end_answered(session, by.id, ctx);
        return Completion::Answer { by: Box::new(by.clone()), session };
    }
    let deduplicated = accept::all_finished(&known.recordings);
    let mut job = session;
    let recordings = accept::link_recordings(&mut job, known.recordings, ctx.now);
    let missing = take_facts(&mut job, whole);
    if !missing.is_empty() {
        return Completion::Incomplete(missing);
    }
    job.updated_at = later_than(job.updated_at, ctx);
    job.status = Status::Queued;
    if deduplicated {
        job = create_finished(job, ctx);
    } else {
        take_slot(&mut job, ctx.slot_free, ctx);
    }
    Completion::Job { job, recordings, deduplicated }
}

/// Records the checksums of the uploaded files, and returns the files that are incomplete. A file whose recording another
/// job has finished meanwhile needs no bytes.
fn take_facts(job: &mut Job, whole: &[WholeFile]) -> Vec<usize> {
    let mut missing = Vec::new();
    for (index, file) in job.files.iter_mut().enumerate().filter(|(_, file)| file.needs_bytes()) {
        let announced = file.upload.as_ref().and_then(|upload| upload.crc32c);
        let is_it = |whole: &&WholeFile| {
            whole.index == index && whole.size == file.size && announced.is_none_or(|crc32c| crc32c == whole.crc32c)
        };
        match whole.iter().find(is_it) {
            Some(whole) => file.crc32c = whole.crc32c,
            None => missing.push(index),
        }
    }
    missing
}
