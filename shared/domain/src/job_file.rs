//! One file of a job: where its bytes are staged, and how far its recording has been processed in this job.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::failure::Failure;
use crate::id::{ConversationId, RecordingId, Sha256Hex};
use crate::listened::Listened;
use crate::name::Stream;
use crate::plan::Counts;
use crate::recording::{AudioFacts, Recording, State};
use crate::session::FileUpload;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    Queued,
    Processing,
    Done,
    Silent,
    Failed,
}

impl FileStatus {
    pub const ALL: [FileStatus; 5] =
        [FileStatus::Queued, FileStatus::Processing, FileStatus::Done, FileStatus::Silent, FileStatus::Failed];

    pub fn is_settled(self) -> bool {
        matches!(self, FileStatus::Done | FileStatus::Silent | FileStatus::Failed)
    }

    /// Whether nothing is left to do for the file: its text is placed, or it holds no speech. A file that is done may still
    /// have an error code: see [`JobFile::is_whole`].
    pub fn is_good(self) -> bool {
        matches!(self, FileStatus::Done | FileStatus::Silent)
    }
}

/// A segment that failed in this job. The next job, or a retry, tries it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSegment {
    pub start_ms: u32,
    /// Whether the engine refused the audio as invalid. Otherwise its calls kept failing.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub name: String,
    /// The name of the staged bytes in the blob store.
    pub blob: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
    pub recording: RecordingId,
    pub stream: Stream,
    /// When the recording began, as its name or the part's header says. If `None`, it is taken to have ended when it was
    /// accepted.
    pub captured_at: Option<Timestamp>,
    pub status: FileStatus,
    pub failure: Option<Failure>,
    pub facts: AudioFacts,
    pub counts: Counts,
    pub failed: Vec<FailedSegment>,
    pub conversation_ids: Vec<ConversationId>,
    /// Whether the staged bytes are known to match `sha256`: the server digested them as they arrived, or a worker has read
    /// them since. A blob is written only once, so this stays true. Unverified bytes are never planned or cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// How the bytes are uploaded, in a job that began as an upload session. `None` if they were staged before the job was
    /// created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<FileUpload>,
    /// How far listening has come, if a delivery ended before the recording had a plan.
    #[serde(default, skip_serializing_if = "Listened::is_nothing")]
    pub listened: Listened,
}

impl JobFile {
    /// Whether the whole file was processed, so that its client may delete its copy.
    pub fn is_whole(&self) -> bool {
        self.status.is_good() && self.failure.is_none()
    }

    /// Whether an upload session still needs the bytes of this file. It does not if another job has transcribed the
    /// recording meanwhile.
    pub fn needs_bytes(&self) -> bool {
        self.upload.is_some() && !self.status.is_good()
    }

    pub fn failed_segments(&self) -> u32 {
        let open = self.counts.segments.saturating_sub(self.counts.done());
        match self.status {
            // A failed file is settled: every segment that is not done counts as failed.
            FileStatus::Failed => open,
            // A segment that another job finished since does not count as failed here.
            _ => open.min(self.failed.len() as u32),
        }
    }

    pub fn fail(&mut self, failure: Failure) {
        self.status = FileStatus::Failed;
        self.failure = Some(failure);
    }

    /// Updates the file from its recording, and settles it if nothing is left to do.
    pub fn follow(&mut self, recording: &Recording) {
        self.facts = recording.facts;
        self.conversation_ids.clone_from(&recording.conversation_ids);
        self.counts = recording.plan.as_ref().map(crate::plan::Plan::counts).unwrap_or_default();
        if let Some(plan) = &recording.plan {
            self.failed.retain(|f| plan.find(f.start_ms).is_some_and(|s| !s.is_closed()));
        }
        // A failed file stays failed in this job; only a retry opens it again.
        if self.status == FileStatus::Failed {
            return;
        }
        match recording.state {
            State::Silent if recording.is_finished() => self.status = FileStatus::Silent,
            State::Done => self.done(),
            State::Planned | State::Failed if recording.plan.is_some() => self.follow_plan(),
            _ => {}
        }
    }

    fn follow_plan(&mut self) {
        let closed = self.counts.done() + self.failed_segments();
        if closed < self.counts.segments {
            self.status = FileStatus::Processing;
        } else if self.failed.is_empty() {
            self.done();
        } else {
            self.fail(self.segment_failure());
        }
    }

    /// Marks the file as done. If its audio could be decoded only in part, every job of the recording reports that by the
    /// code, so that no client deletes its copy because of the status `done`.
    fn done(&mut self) {
        self.status = FileStatus::Done;
        self.failure = self.facts.partly.then(|| partly_decoded(&self.facts));
    }

    fn segment_failure(&self) -> Failure {
        let (failed, all) = (self.failed_segments(), self.counts.segments);
        // A retry is worth it if at least one segment was not refused but failed for another reason.
        if self.failed.iter().all(|f| f.refused) {
            Failure::because(
                Code::TranscriptionRefused,
                format!("the speech engine refused {failed} of {all} segments"),
            )
        } else {
            Failure::because(
                Code::TranscriptionFailed,
                format!("the speech engine failed on {failed} of {all} segments"),
            )
        }
    }

    /// Opens the file again for a retry, unless it is finished. Its failures are cleared.
    pub fn reopen(&mut self) {
        if !self.status.is_good() {
            self.status = FileStatus::Queued;
            self.failure = None;
            self.failed.clear();
            // The checkpoint was deleted when the job ended.
            self.listened = Listened::default();
        }
    }

    /// Whether nothing in the file can be decoded. No retry, and no other engine, will change that.
    pub fn is_no_audio(&self) -> bool {
        self.failure.as_ref().is_some_and(|f| f.code == Code::InvalidAudio)
    }
}

fn partly_decoded(facts: &AudioFacts) -> Failure {
    let AudioFacts { dropped_bytes, concealed_ms, .. } = facts;
    let why = if *dropped_bytes == 0 && *concealed_ms == 0 {
        "what could be heard is transcribed; other samples are no numbers or far beyond full scale, or a channel of more than \
         two is covered by the others"
            .to_owned()
    } else {
        format!(
            "what could be decoded is transcribed; the rest is damaged or missing ({dropped_bytes} bytes dropped, \
             {concealed_ms} ms concealed)"
        )
    };
    Failure::because(Code::PartlyDecoded, why)
}
