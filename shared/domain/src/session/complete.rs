//! The end of a session whose bytes are all there: it becomes a job, or another job has its recordings by now.

use crate::accept::{self, Known};
use crate::id::RecordingId;
use crate::job::{Job, Status};
use crate::recording::Recording;
use crate::transition::{Context, born_finished, end_answered, later_than, take_slot};

/// A file whose bytes are all there, as the place where they are says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeFile {
    pub index: usize,
    pub size: u64,
    pub crc32c: u32,
}

/// A session that is to be completed, and what is known that bears on it, read in the same transaction.
#[derive(Clone, Debug)]
pub struct Completing<'a> {
    pub session: Job,
    /// The recordings of its files, in order, and their latest jobs.
    pub known: Known,
    pub whole: &'a [WholeFile],
}

#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// It was completed before, and is a job like any other.
    Before { deduplicated: bool },
    /// It ended before, because another job has its recordings.
    AnsweredBefore { by: crate::JobId },
    /// It expired, or was cancelled.
    Ended,
    /// These files are not whole. Nothing is written.
    Incomplete(Vec<usize>),
    /// Another job has every recording: the session ends.
    Answer { by: Box<Job>, session: Job },
    /// It is a job now; `deduplicated` when it is born at its end.
    Job { job: Job, recordings: Vec<Recording>, deduplicated: bool },
}

pub fn complete(completing: Completing<'_>, ctx: Context<'_>) -> Completion {
    let Completing { session, known, whole } = completing;
    match (session.status, session.answered_by) {
        (Status::Uploading, _) => {}
        (Status::Cancelled, Some(by)) => return Completion::AnsweredBefore { by },
        (Status::Cancelled, None) => return Completion::Ended,
        _ => return Completion::Before { deduplicated: accept::was_born_finished(&session) },
    }
    let ids: Vec<RecordingId> = session.files.iter().map(|file| file.recording).collect();
    if let Some(by) = accept::answering(&session.uid, &ids, &known, ctx.now) {
        let session = end_answered(session, by.id, ctx);
        return Completion::Answer { by: Box::new(by.clone()), session };
    }
    let deduplicated = accept::all_finished(&known.recordings);
    let mut job = session;
    let recordings = accept::tie(&mut job, known.recordings, ctx.now);
    let missing = take_facts(&mut job, whole);
    if !missing.is_empty() {
        return Completion::Incomplete(missing);
    }
    job.updated_at = later_than(job.updated_at, ctx);
    job.status = Status::Queued;
    if deduplicated {
        job = born_finished(job, ctx);
    } else {
        take_slot(&mut job, ctx.slot_free, ctx);
    }
    Completion::Job { job, recordings, deduplicated }
}

/// Notes what is known of the bytes, and says which files lack some. A file whose recording was finished elsewhere
/// since needs none.
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
