//! What a user reads: ids with parameters, and their English texts (R38). Apps translate by the id.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::Timestamp;
use serde::Serialize;

use crate::chunk::LastError;
use crate::coordinator::Blocked;
use crate::rules::cooldown::Reason;
use crate::status::{Shown, seconds_left};

const ENGLISH: &str = include_str!("../messages/en.txt");

static CATALOGUE: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = ENGLISH.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = ")).collect()
});

/// The ids and the English texts of all messages, for translators.
pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static str)> {
    CATALOGUE.iter().map(|(id, text)| (*id, *text))
}

/// A value in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A message inside of the message.
    Message(Message),
    /// A text that comes from elsewhere, such as the server, and cannot be translated.
    Text(String),
}

/// A line for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The id in the catalogue.
    pub id: String,
    /// The values of its parameters.
    pub parameters: BTreeMap<&'static str, Value>,
}

impl Message {
    fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), parameters: BTreeMap::new() }
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.parameters.insert(name, value);
        self
    }

    /// The message in English.
    pub fn english(&self) -> String {
        let text = CATALOGUE.get(self.id.as_str()).copied().unwrap_or(self.id.as_str());
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(before);
            out.push_str(&self.value(name));
            rest = behind;
        }
        out + rest
    }

    fn value(&self, parameter: &str) -> String {
        let (name, kind) = parameter.split_once(':').unwrap_or((parameter, ""));
        match self.parameters.get(name) {
            Some(Value::Number(seconds)) if kind == "time" => time(*seconds),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Message(message)) => message.english(),
            Some(Value::Text(text)) => text.clone(),
            None => String::new(),
        }
    }
}

/// Seconds as people read them: the two largest units.
fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn error_message(error: Option<&LastError>) -> Message {
    let Some(error) = error else { return Message::new("error.none") };
    let id = format!("error.{}", error.code);
    if CATALOGUE.contains_key(id.as_str()) {
        return Message::new(id);
    }
    let detail = Some(&error.detail).filter(|detail| !detail.is_empty()).unwrap_or(&error.code);
    let other = Message::new("error.other").with("detail", Value::Text(detail.clone()));
    other.with("code", Value::Text(error.code.clone()))
}

impl LastError {
    /// What a user reads.
    pub fn message(&self) -> Message {
        error_message(Some(self))
    }
}

impl Blocked {
    /// What a user reads, with the time that is left.
    pub fn message(&self, now: Timestamp) -> Message {
        let left = |id, until| Message::new(id).with("seconds", Value::Number(seconds_left(now, until)));
        match *self {
            Blocked::SignedOut => Message::new("blocked.signed_out"),
            Blocked::SignInNeeded => Message::new("blocked.sign_in_needed"),
            Blocked::Forbidden => Message::new("blocked.forbidden"),
            Blocked::Paused => Message::new("blocked.paused"),
            Blocked::Cancelled => Message::new("blocked.cancelled"),
            Blocked::Offline => Message::new("blocked.offline"),
            Blocked::Metered => Message::new("blocked.metered"),
            Blocked::NotCharging => Message::new("blocked.not_charging"),
            Blocked::Cooldown { reason: Reason::FairUse, until } => left("blocked.cooldown_fair_use", until),
            Blocked::Cooldown { reason: Reason::RateLimit, until } => left("blocked.cooldown_rate_limit", until),
            Blocked::Cooldown { reason: Reason::BackendBusy, until } => left("blocked.cooldown_backend_busy", until),
            Blocked::Unreachable { until } => left("blocked.unreachable", until),
        }
    }
}

impl Shown {
    /// What a user reads.
    pub fn message(&self, now: Timestamp) -> Message {
        let with_error = |id, error| Message::new(id).with("error", Value::Message(error_message(error)));
        match self {
            Shown::Recording => Message::new("recording.recording"),
            Shown::Waiting { blocked: Some(blocked) } => blocked.message(now),
            Shown::Waiting { blocked: None } => Message::new("recording.waiting"),
            Shown::Uploading { percent } => {
                Message::new("recording.uploading").with("percent", Value::Number(u64::from(*percent)))
            }
            Shown::Processing { total: 0, .. } => Message::new("recording.processing"),
            Shown::Processing { done, total } => Message::new("recording.processing_segments")
                .with("done", Value::Number(*done))
                .with("total", Value::Number(*total)),
            Shown::Synced => Message::new("recording.synced"),
            Shown::Retrying { seconds, error } => {
                with_error("recording.retrying", Some(error)).with("seconds", Value::Number(*seconds))
            }
            Shown::Failed { error } => with_error("recording.failed", Some(error)),
            Shown::Kept { error } => with_error("recording.kept", error.as_ref()),
            Shown::TooOld => Message::new("recording.too_old"),
            Shown::Unreadable => Message::new("recording.unreadable"),
            Shown::Missing => Message::new("recording.missing"),
            Shown::Rejected { error } => with_error("recording.rejected", error.as_ref()),
            Shown::Held { error } => with_error("recording.held", error.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn error() -> LastError {
        LastError::new("never_heard_of", None, "what the server said")
    }

    fn every_blocked() -> Vec<Blocked> {
        let until = NOW + Duration::from_secs(4_000);
        let cooldowns = Reason::ALL.into_iter().map(|reason| Blocked::Cooldown { reason, until });
        let others = [
            Blocked::SignedOut,
            Blocked::SignInNeeded,
            Blocked::Forbidden,
            Blocked::Paused,
            Blocked::Cancelled,
            Blocked::Offline,
            Blocked::Metered,
            Blocked::NotCharging,
            Blocked::Unreachable { until },
        ];
        others.into_iter().chain(cooldowns).collect()
    }

    fn every_shown() -> Vec<Shown> {
        vec![
            Shown::Recording,
            Shown::Waiting { blocked: None },
            Shown::Uploading { percent: 33 },
            Shown::Processing { done: 0, total: 0 },
            Shown::Processing { done: 3, total: 8 },
            Shown::Synced,
            Shown::Retrying { seconds: 75, error: error() },
            Shown::Failed { error: error() },
            Shown::Kept { error: None },
            Shown::TooOld,
            Shown::Unreadable,
            Shown::Missing,
            Shown::Rejected { error: None },
            Shown::Held { error: None },
        ]
    }

    fn every_message() -> Vec<Message> {
        let errors = CATALOGUE.keys().filter_map(|id| id.strip_prefix("error.")).filter(|code| *code != "other");
        let errors = errors.map(|code| LastError::new(code, None, "").message());
        let blocked = every_blocked().into_iter().map(|blocked| blocked.message(NOW));
        let shown = every_shown();
        blocked.chain(shown.iter().map(|shown| shown.message(NOW))).chain(errors).chain([error().message()]).collect()
    }

    #[test]
    fn r38_every_line_is_a_message_of_the_catalogue_with_exactly_its_parameters() {
        let mut used = BTreeSet::new();
        for message in every_message() {
            let text = CATALOGUE.get(message.id.as_str()).unwrap_or_else(|| panic!("{} has no text", message.id));
            let named: BTreeSet<_> =
                text.split('{').skip(1).map(|part| part.split(['}', ':']).next().unwrap_or_default()).collect();
            let given: BTreeSet<_> = message.parameters.keys().copied().collect();
            assert_eq!(named, given, "{}", message.id);
            assert!(!message.english().contains('{'), "{}", message.english());
            used.insert(message.id);
        }
        let known: BTreeSet<_> = CATALOGUE.keys().map(|id| (*id).to_owned()).collect();
        assert_eq!(known, used, "a text that nobody reads, or one that is missing");
        assert_eq!(ENGLISH.lines().filter(|line| line.contains(" = ")).count(), CATALOGUE.len(), "an id stands twice");
    }

    /// A variant that is added has to be added here, and to the lists of the test above.
    #[test]
    fn r38_every_state_and_every_reason_has_a_text() {
        for message in every_message() {
            assert!(CATALOGUE.contains_key(message.id.as_str()), "{} has no text", message.id);
        }
        let kinds = |shown: &Shown| match shown {
            Shown::Recording => 0,
            Shown::Waiting { .. } => 1,
            Shown::Uploading { .. } => 2,
            Shown::Processing { .. } => 3,
            Shown::Synced => 4,
            Shown::Retrying { .. } => 5,
            Shown::Failed { .. } => 6,
            Shown::Kept { .. } => 7,
            Shown::TooOld => 8,
            Shown::Unreadable => 9,
            Shown::Missing => 10,
            Shown::Rejected { .. } => 11,
            Shown::Held { .. } => 12,
        };
        let listed: BTreeSet<_> = every_shown().iter().map(kinds).collect();
        assert_eq!(listed, (0..=12).collect());
        let kinds = |blocked: &Blocked| match blocked {
            Blocked::SignedOut => 0,
            Blocked::SignInNeeded => 1,
            Blocked::Forbidden => 2,
            Blocked::Paused => 3,
            Blocked::Cancelled => 4,
            Blocked::Offline => 5,
            Blocked::Metered => 6,
            Blocked::NotCharging => 7,
            Blocked::Cooldown { .. } => 8,
            Blocked::Unreachable { .. } => 9,
        };
        let listed: BTreeSet<_> = every_blocked().iter().map(kinds).collect();
        assert_eq!(listed, (0..=9).collect());
    }

    /// The codes of errors that the engine finds itself, as they stand in its source.
    #[test]
    fn r38_every_error_of_the_engine_itself_has_a_text() {
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut codes = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap();
                // One that ends with an underscore is followed by what the server said.
                let found = source.split("\"local_").skip(1).filter_map(|rest| rest.split_once('"'));
                let found = found.map(|(code, _)| format!("local_{code}"));
                codes.extend(found.filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
            }
        }
        assert!(codes.len() > 8, "{codes:?}");
        for code in codes.iter().filter(|code| !code.ends_with('_')) {
            assert!(CATALOGUE.contains_key(format!("error.{code}").as_str()), "{code} has no text");
        }
    }

    #[test]
    fn r38_messages_read_as_sentences() {
        let until = NOW + Duration::from_secs(4_000);
        let blocked = Blocked::Cooldown { reason: Reason::FairUse, until };
        let text = Shown::Waiting { blocked: Some(blocked) }.message(NOW).english();
        assert_eq!(text, "the fair-use limit is reached; uploads go on in 1 h 6 min, and nothing is lost");
        let error = LastError::new("transcription_failed", None, "x");
        let text = Shown::Retrying { seconds: 75, error }.message(NOW).english();
        assert_eq!(text, "the speech engine failed; trying again in 1 min 15 s");
        let error = LastError::new("never_heard_of", None, "the server said this");
        assert_eq!(Shown::Failed { error }.message(NOW).english(), "failed: the server said this (never_heard_of)");
        assert_eq!((time(59), time(90_000)), ("59 s".to_owned(), "1 d 1 h".to_owned()));
    }
}
