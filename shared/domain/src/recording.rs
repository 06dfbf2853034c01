//! A recording: audio of one user, remembered for ever. It owns everything that must happen only once.

use serde::{Deserialize, Serialize};

use crate::gain::Gain;
use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::levels::Levels;
use crate::name::Stream;
use crate::plan::Plan;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The recording is accepted and not listened to yet.
    Known,
    /// The first pass found speech, which is being transcribed.
    Planned,
    /// Every segment is placed or accepted as silence.
    Done,
    /// The recording holds no speech, by the rule in `audio/src/analyse.rs`.
    Silent,
    /// Nothing in the recording could be decoded. A later job may try again.
    Invalid,
    /// A segment failed in the last job. A later job may try again.
    Failed,
}

/// The facts about the audio that decoding and the first pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFacts {
    pub duration_ms: u64,
    pub speech_ms: u64,
    pub dropped_bytes: u64,
    pub concealed_ms: u64,
    /// Whether more than one packet could not be decoded. Such a recording is never `silent`, and its text is incomplete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
    /// The gain that an earlier version applied to the whole recording; the plan is cut at it.
    #[serde(default, skip_serializing_if = "Gain::is_one")]
    pub gain: Gain,
    /// The version of the level rules that the recording was listened to by ([`Levels::RULES`]). A recording that an
    /// earlier version found silent is listened to again when it is uploaded again.
    #[serde(default, skip_serializing_if = "is_first")]
    pub heard_by: u8,
}

fn is_first(rules: &u8) -> bool {
    *rules == 0
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    pub id: RecordingId,
    pub uid: Uid,
    pub name: String,
    pub sha256: Sha256Hex,
    pub stream: Stream,
    pub state: State,
    /// When the recording began. The plan fixes this, `language` and `conversation_id`; later values are ignored.
    pub captured_at: Option<Timestamp>,
    pub language: Option<String>,
    pub conversation_id: Option<ConversationId>,
    pub facts: AudioFacts,
    pub plan: Option<Plan>,
    /// The latest job with this recording.
    pub latest_job: JobId,
    /// The conversations of its segments. Some may have been merged since: readers follow redirects.
    pub conversation_ids: Vec<ConversationId>,
    pub created_at: Timestamp,
}

impl Recording {
    /// Whether nothing is left to do, even if the recording is uploaded again. What earlier rules found silent may hold
    /// speech that they missed, so that it is listened to again when it is uploaded again.
    pub fn is_finished(&self) -> bool {
        match self.state {
            State::Done => true,
            State::Silent => self.facts.heard_by >= Levels::RULES,
            State::Known | State::Planned | State::Invalid | State::Failed => false,
        }
    }

    /// Whether the recording has no plan yet. The first plan is kept: segments that may have text already are never cut
    /// differently.
    pub fn needs_listening(&self) -> bool {
        self.plan.is_none() && !self.is_finished()
    }

    /// Marks the recording as silent after the first pass found no speech by the rule in `audio/src/analyse.rs`,
    /// unless it is planned or finished already.
    pub fn mark_silent(&mut self, facts: AudioFacts) {
        if self.needs_listening() {
            self.facts = facts;
            self.state = State::Silent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gain_keeps_a_positive_factor_and_replaces_any_other_by_one() {
        for factor in [0.5, 1.0, 2.37, 60.0] {
            assert!((Gain::of(factor).factor() - factor).abs() < 0.0006, "{factor}");
        }
        for none in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(Gain::of(none), Gain::ONE, "{none}");
        }
    }

    #[test]
    fn facts_stored_before_gains_existed_have_a_gain_of_one() {
        let before = r#"{"duration_ms":9,"speech_ms":8,"dropped_bytes":7,"concealed_ms":6}"#;
        let facts: AudioFacts = serde_json::from_str(before).unwrap();
        assert_eq!(facts.gain, Gain::ONE);
        assert_eq!(serde_json::to_string(&facts).unwrap(), before);
        let raised = AudioFacts { gain: Gain::of(2.5), ..facts };
        assert_eq!(serde_json::from_str::<AudioFacts>(&serde_json::to_string(&raised).unwrap()).unwrap(), raised);
    }

    #[test]
    fn facts_keep_their_level_rules_and_older_facts_have_version_zero() {
        let before = r#"{"duration_ms":9,"speech_ms":8,"dropped_bytes":7,"concealed_ms":6,"gain":2500}"#;
        let facts: AudioFacts = serde_json::from_str(before).unwrap();
        assert_eq!((facts.heard_by, serde_json::to_string(&facts).unwrap()), (0, before.to_owned()));
        let today = AudioFacts { heard_by: Levels::RULES, ..facts };
        assert_eq!(serde_json::from_str::<AudioFacts>(&serde_json::to_string(&today).unwrap()).unwrap(), today);
    }
}
