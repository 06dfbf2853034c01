//! A recording: audio of one user, known for ever. It owns everything that must happen once.

use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::name::Stream;
use crate::plan::Plan;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Accepted, not yet listened to.
    Known,
    /// Its speech was found and is being transcribed.
    Planned,
    /// Every segment is placed, or accepted as silence.
    Done,
    /// No speech, by the strict rule.
    Silent,
    /// Nothing in it could be decoded. May run again.
    Invalid,
    /// A segment failed in the last job that tried. May run again.
    Failed,
}

/// What decoding found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFacts {
    pub duration_ms: u64,
    pub speech_ms: u64,
    pub dropped_bytes: u64,
    pub concealed_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    pub id: RecordingId,
    pub uid: Uid,
    pub name: String,
    pub sha256: Sha256Hex,
    pub stream: Stream,
    pub state: State,
    /// When the recording began; with `language` and `conversation_id` fixed by the plan. Later values are ignored.
    pub captured_at: Option<Timestamp>,
    pub language: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub facts: AudioFacts,
    pub plan: Option<Plan>,
    /// The job that took it last.
    pub latest_job: JobId,
    /// Where its segments stand. Ids may have been merged away since: readers follow redirects.
    pub conversation_ids: Vec<ConversationId>,
    pub created_at: Timestamp,
}

impl Recording {
    /// Nothing is left to do for it, whoever uploads it again.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Done | State::Silent)
    }

    /// Nobody has planned it yet. Whoever planned first wins: segments that may have text already are never cut anew.
    pub fn needs_listening(&self) -> bool {
        self.plan.is_none() && !self.is_finished()
    }

    /// It was listened to and is without speech, by the strict rule. What is known of it already stands.
    pub fn heard_nothing(&mut self, facts: AudioFacts) {
        if self.needs_listening() {
            self.facts = facts;
            self.state = State::Silent;
        }
    }
}
