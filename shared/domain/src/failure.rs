//! Why a file or a job failed, as clients read it.

use serde::{Deserialize, Serialize};

use crate::code::{Blame, Code};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: Code,
    /// A sentence for the person who reads it.
    pub detail: String,
    pub blame: Blame,
    pub retryable: bool,
}

impl Failure {
    pub fn of(code: Code) -> Self {
        Self::because(code, code.title())
    }

    pub fn because(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), blame: code.blame(), retryable: code.retryable() }
    }

    #[must_use]
    pub fn blamed_on(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self.retryable = blame != Blame::Content;
        self
    }
}
