//! One file of a job: where its bytes are staged, and how far its recording has come in this job.

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

    /// Nothing is left to do for it: the text is placed, or there was nothing to hear. A file that is done may still have
    /// a code: see [`JobFile::is_whole`].
    pub fn is_good(self) -> bool {
        matches!(self, FileStatus::Done | FileStatus::Silent)
    }
}

/// A segment that failed in this job. The next job, or a retry, starts without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedSegment {
    pub start_ms: u32,
    /// The engine called the audio itself invalid; otherwise it kept failing.
    pub refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub name: String,
    /// The name of its staged bytes in the blob store.
    pub blob: String,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
    pub recording: RecordingId,
    pub stream: Stream,
    /// What the name, or the part's header, says; `None`: it ended when it was accepted.
    pub captured_at: Option<Timestamp>,
    pub status: FileStatus,
    pub failure: Option<Failure>,
    pub facts: AudioFacts,
    pub counts: Counts,
    pub failed: Vec<FailedSegment>,
    pub conversation_ids: Vec<ConversationId>,
    /// The staged bytes are known to be those of `sha256`: the server digested them while they came in, or a worker has
    /// read them since. A blob is written once, so this stays true. Before it is, nothing of them is planned or cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verified: bool,
    /// How its bytes come, in a job that began as an upload session; `None`: they were staged before the job was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<FileUpload>,
    /// How far listening to it has come, where a delivery ended before its recording had a plan.
    #[serde(default, skip_serializing_if = "Listened::is_nothing")]
    pub listened: Listened,
}

impl JobFile {
    /// All of it was heard, so that its client may delete its copy.
    pub fn is_whole(&self) -> bool {
        self.status.is_good() && self.failure.is_none()
    }

    /// Its bytes are still to come: in an upload session, and nobody has transcribed them elsewhere since.
    pub fn needs_bytes(&self) -> bool {
        self.upload.is_some() && !self.status.is_good()
    }

    pub fn failed_segments(&self) -> u32 {
        let open = self.counts.segments.saturating_sub(self.counts.done());
        match self.status {
            // The file is over: what is not done has failed.
            FileStatus::Failed => open,
            // A segment that another job finished since does not count as failed here.
            _ => open.min(self.failed.len() as u32),
        }
    }

    pub fn fail(&mut self, failure: Failure) {
        self.status = FileStatus::Failed;
        self.failure = Some(failure);
    }

    /// Takes over what the recording knows, and settles the file when nothing is left to do for it.
    pub fn follow(&mut self, recording: &Recording) {
        self.facts = recording.facts;
        self.conversation_ids.clone_from(&recording.conversation_ids);
        self.counts = recording.plan.as_ref().map(crate::plan::Plan::counts).unwrap_or_default();
        if let Some(plan) = &recording.plan {
            self.failed.retain(|f| plan.find(f.start_ms).is_some_and(|s| !s.is_closed()));
        }
        // What has failed stays failed in this job: only a retry opens it again.
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

    /// What could be decoded has its text. Where that is not all of it, the code says so, for every job that ever has the
    /// recording: nobody may delete it on the word `done`.
    fn done(&mut self) {
        self.status = FileStatus::Done;
        self.failure = self.facts.partly.then(|| partly_decoded(&self.facts));
    }

    fn segment_failure(&self) -> Failure {
        let (failed, all) = (self.failed_segments(), self.counts.segments);
        // One segment that a healthier engine may take is enough to make a retry worth it.
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

    /// Starts over for a retry: what is finished stays, failures are forgotten.
    pub fn reopen(&mut self) {
        if !self.status.is_good() {
            self.status = FileStatus::Queued;
            self.failure = None;
            self.failed.clear();
            // Its checkpoint went with the end of the job.
            self.listened = Listened::default();
        }
    }

    /// Nothing in it can be decoded: no retry, and no other engine, will change that.
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
