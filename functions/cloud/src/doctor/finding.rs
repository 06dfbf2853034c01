//! The result of a check: fine, or one line with the fact and one with the remedy.

use std::fmt;

use flow::{Error, Kind};
use gcp::Diagnosis;

pub struct Finding {
    what: String,
    state: State,
}

enum State {
    Fine,
    /// It works, or could not be looked at; a person should know.
    Note(String, String),
    Failed(String, String),
}

impl Finding {
    pub fn fine(what: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Fine }
    }

    pub fn note(what: impl Into<String>, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Note(one_line(&fact.into()), remedy.into()) }
    }

    pub fn bad(what: impl Into<String>, fact: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Failed(one_line(&fact.into()), remedy.into()) }
    }

    /// The remedy is derived from the error of the service.
    pub fn of<T>(what: impl Into<String>, outcome: &Result<T, Error>) -> Self {
        match outcome {
            Ok(_) => Self::fine(what),
            Err(error) => {
                let (fact, remedy) = fact_and_remedy(error);
                Self::bad(what, fact, remedy)
            }
        }
    }

    pub fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(..))
    }
}

fn fact_and_remedy(error: &Error) -> (String, String) {
    if let Some(diagnosis) = Diagnosis::of(error) {
        return (diagnosis.fact.clone(), diagnosis.remedy.clone());
    }
    let remedy = match error.kind {
        Kind::Throttled => "wait, or ask for a higher quota",
        Kind::Misconfigured => "look at the settings: `config` prints them, and where each comes from",
        Kind::Unavailable | Kind::Unknown => {
            "look at the way there from this machine, and at https://status.cloud.google.com"
        }
        _ => "this is a fault of afterword's: please report it with this line",
    };
    (error.to_string(), remedy.to_owned())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            State::Fine => write!(f, "ok      {}", self.what),
            State::Note(fact, remedy) => write!(f, "note    {}\n        {fact}\n        {remedy}", self.what),
            State::Failed(fact, remedy) => write!(f, "FAILED  {}\n        {fact}\n        {remedy}", self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_is_printed_as_one_line_of_fact_and_one_of_remedy() {
        let error = Error::new(Kind::Unavailable, "store.ready", "x").because("a\nb\tc");
        let finding = Finding::of::<()>("Firestore", &Err(error)).to_string();
        let lines: Vec<_> = finding.lines().collect();
        assert_eq!(lines.len(), 3, "{finding}");
        assert_eq!(lines[..2], ["FAILED  Firestore", "        store.ready is unavailable (x): a b c"]);
        assert!(!lines[2].contains("grant"), "{finding}");
        assert_eq!(Finding::of("Firestore", &Ok(())).to_string(), "ok      Firestore");
    }
}
