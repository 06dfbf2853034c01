//! A recording: audio of one user, known for ever. It owns everything that must happen once.

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
    /// More than one packet of it could not be decoded: it is never `silent`, and its text is not all that was said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partly: bool,
    /// What an earlier version raised the whole recording by; its plan is cut at it.
    #[serde(default, skip_serializing_if = "Gain::is_one")]
    pub gain: Gain,
    /// The version of the rules of hearing that it was heard by ([`Levels::RULES`]). What an earlier
    /// one called silent is heard again when it is uploaded again.
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
    /// Nothing is left to do for it, whoever uploads it again. What earlier rules called silent may hold speech that they
    /// could not hear: somebody who still has it is heard out.
    pub fn is_finished(&self) -> bool {
        match self.state {
            State::Done => true,
            State::Silent => self.facts.heard_by >= Levels::RULES,
            State::Known | State::Planned | State::Invalid | State::Failed => false,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_a_factor_and_what_is_none_changes_nothing() {
        for factor in [0.5, 1.0, 2.37, 60.0] {
            assert!((Gain::of(factor).factor() - factor).abs() < 0.0006, "{factor}");
        }
        for none in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert_eq!(Gain::of(none), Gain::ONE, "{none}");
        }
    }

    #[test]
    fn facts_from_before_there_was_a_gain_are_of_what_was_recorded() {
        let before = r#"{"duration_ms":9,"speech_ms":8,"dropped_bytes":7,"concealed_ms":6}"#;
        let facts: AudioFacts = serde_json::from_str(before).unwrap();
        assert_eq!(facts.gain, Gain::ONE);
        assert_eq!(serde_json::to_string(&facts).unwrap(), before);
        let raised = AudioFacts { gain: Gain::of(2.5), ..facts };
        assert_eq!(serde_json::from_str::<AudioFacts>(&serde_json::to_string(&raised).unwrap()).unwrap(), raised);
    }

    #[test]
    fn facts_say_by_which_rules_they_were_heard_and_those_from_before_by_the_first() {
        let before = r#"{"duration_ms":9,"speech_ms":8,"dropped_bytes":7,"concealed_ms":6,"gain":2500}"#;
        let facts: AudioFacts = serde_json::from_str(before).unwrap();
        assert_eq!((facts.heard_by, serde_json::to_string(&facts).unwrap()), (0, before.to_owned()));
        let today = AudioFacts { heard_by: Levels::RULES, ..facts };
        assert_eq!(serde_json::from_str::<AudioFacts>(&serde_json::to_string(&today).unwrap()).unwrap(), today);
    }
}
