//! Errors of the API (`application/problem+json`), read without trust.

use domain::Blame;
use serde_json::Value;

use crate::ports::Answer;

/// What is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    pub file: String,
    pub code: String,
    pub detail: String,
}

/// An error of the API. An answer without a code of ours has an empty code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    pub code: String,
    pub detail: String,
    pub errors: Vec<FileProblem>,
}

impl Problem {
    /// Reads the body of an answer; whatever is not there stays empty.
    pub fn of(answer: &Answer) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let file = |error: &Value| FileProblem {
            file: text(error, "file"),
            code: text(error, "code"),
            detail: text(error, "detail"),
        };
        let errors = body["errors"].as_array().map(|all| all.iter().map(file).collect()).unwrap_or_default();
        Self { code: text(&body, "code"), detail: text(&body, "detail"), errors }
    }

    /// What is said of this file.
    pub fn of_file(&self, name: &str) -> Option<&FileProblem> {
        self.errors.iter().find(|error| error.file == name)
    }
}

/// Whom this code blames, as the API documents it; `None` for a code that is not known here.
pub fn blame(code: &str) -> Option<Blame> {
    code.parse::<domain::Code>().ok().map(domain::Code::blame)
}
