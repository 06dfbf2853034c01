//! Why a job waits, or was last put back: a code and a sentence for everybody, and the cause for the operator.

use serde::{Deserialize, Serialize};

use crate::masking::without_credentials;
use crate::time::Timestamp;

/// The longest sentence and the longest cause that are stored, in characters. They keep a job's document small.
const MAX_DETAIL_CHARS: usize = 200;
const MAX_CAUSE_CHARS: usize = 500;

/// The stable code of a reason. It is no error: the job continues by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitCode {
    Turn,
    EngineUnavailable,
    LanguageUnsupported,
    StorageUnavailable,
    BudgetUsedUp,
    TranscriptionFailed,
    Internal,
    OutOfTime,
    ShuttingDown,
    Yielded,
    WorkerLost,
}

impl WaitCode {
    pub const ALL: [WaitCode; 11] = [
        WaitCode::Turn,
        WaitCode::EngineUnavailable,
        WaitCode::LanguageUnsupported,
        WaitCode::StorageUnavailable,
        WaitCode::BudgetUsedUp,
        WaitCode::TranscriptionFailed,
        WaitCode::Internal,
        WaitCode::OutOfTime,
        WaitCode::ShuttingDown,
        WaitCode::Yielded,
        WaitCode::WorkerLost,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            WaitCode::Turn => "turn",
            WaitCode::EngineUnavailable => "engine_unavailable",
            WaitCode::LanguageUnsupported => "language_unsupported",
            WaitCode::StorageUnavailable => "storage_unavailable",
            WaitCode::BudgetUsedUp => "budget_used_up",
            WaitCode::TranscriptionFailed => "transcription_failed",
            WaitCode::Internal => "internal",
            WaitCode::OutOfTime => "out_of_time",
            WaitCode::ShuttingDown => "shutting_down",
            WaitCode::Yielded => "yielded",
            WaitCode::WorkerLost => "worker_lost",
        }
    }

    /// The sentence for a reason of which nothing more is known.
    pub const fn sentence(self) -> &'static str {
        match self {
            WaitCode::Turn => "other jobs of the same user go first",
            WaitCode::EngineUnavailable => "the speech engine does not answer",
            WaitCode::LanguageUnsupported => "the speech engine does not support the language of the recording",
            WaitCode::StorageUnavailable => "the storage of audio and jobs does not answer",
            WaitCode::BudgetUsedUp => "the daily budget of the user is used up",
            WaitCode::TranscriptionFailed => "the speech engine failed for a part of the audio",
            WaitCode::Internal => "something went wrong on our side",
            WaitCode::OutOfTime => "the job takes longer than one delivery and continues with the next",
            WaitCode::ShuttingDown => "the worker of the job is shut down",
            WaitCode::Yielded => "the job gave its place to the job of another user",
            WaitCode::WorkerLost => "the worker of the job was lost",
        }
    }
}

/// What a worker knows of the cause beyond its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    detail: String,
    cause: Option<String>,
}

impl Explanation {
    /// `detail` is a sentence that clients see. It contains no secret, no spoken text and no address.
    pub fn new(detail: &str) -> Self {
        Self { detail: bounded(detail, MAX_DETAIL_CHARS), cause: None }
    }

    /// Adds the words of the adapter, which only the operator sees. They are stored and exported, so credentials in them
    /// are masked here.
    #[must_use]
    pub fn because(mut self, cause: &str) -> Self {
        // The text is masked before it is cut: the cut could remove the `@` by which a password is recognised.
        self.cause = Some(bounded(&without_credentials(cause), MAX_CAUSE_CHARS)).filter(|cause| !cause.is_empty());
        self
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// What an operator is told: the cause, which says more than the sentence for clients, where it is known.
    pub fn for_operator(&self) -> &str {
        self.cause().unwrap_or(&self.detail)
    }
}

/// At most so many characters of the text, on one line.
fn bounded(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
}

/// The last reason why a job did not go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitReason {
    pub code: WaitCode,
    /// A sentence for the person who reads it.
    pub detail: String,
    /// The words of the adapter, for the operator only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When the job was put back, postponed, put in line or recovered.
    pub at: Timestamp,
}

impl WaitReason {
    pub fn new(code: WaitCode, explanation: Option<&Explanation>, at: Timestamp) -> Self {
        let detail = explanation.map_or(code.sentence(), Explanation::detail).to_owned();
        let cause = explanation.and_then(Explanation::cause).map(str::to_owned);
        Self { code, detail, cause, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_codes_are_those_that_are_stored() {
        for code in WaitCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn explanation_is_bounded_and_on_one_line() {
        let told = Explanation::new(&"a\n".repeat(300)).because(&"ä\t".repeat(900));
        assert_eq!(told.detail().chars().count(), MAX_DETAIL_CHARS);
        assert_eq!(told.cause().unwrap().chars().count(), MAX_CAUSE_CHARS);
        assert!(!format!("{}{}", told.detail(), told.cause().unwrap()).contains(char::is_control));
        assert_eq!(Explanation::new("x").because("").cause(), None);
    }

    #[test]
    fn cause_has_no_credentials_even_where_it_is_cut() {
        let told = Explanation::new("x").because("no answer from https://ann:hidden@speech.example/v1?key=hidden");
        assert_eq!(told.cause(), Some("no answer from https://********@speech.example/v1?key=********"));
        let password = "hidden".repeat(MAX_CAUSE_CHARS);
        let told = Explanation::new("x").because(&format!("https://ann:{password}@speech.example"));
        assert_eq!(told.cause(), Some("https://********@speech.example"));
    }

    #[test]
    fn operator_is_told_the_cause_and_without_one_the_sentence() {
        assert_eq!(Explanation::new("for all").because("for the operator").for_operator(), "for the operator");
        assert_eq!(Explanation::new("for all").for_operator(), "for all");
    }
}
