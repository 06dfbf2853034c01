//! Why a service does not do what it is asked to: a fact, and what a person can do about it. Logs and
//! `doctor` show both.

use std::fmt;

use google_cloud_auth::errors::CredentialsError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody answers at the address.
    Unreachable,
    /// The service answers that it cannot, or not in time.
    Away,
    Quota,
    Credentials,
    Refused,
    /// The service is not enabled in the project.
    Off,
    Missing,
    NoIndex,
}

impl Cause {
    /// Whether the problem stays until a person does something.
    fn needs_a_person(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Away | Self::Quota)
    }

    /// Tells two refusals apart by Google's message: the same code stands for a missing role and for a
    /// disabled service.
    pub(crate) fn of_refusal(message: &str) -> Self {
        let is_off = message.contains("has not been used in project") || message.contains("SERVICE_DISABLED");
        if is_off { Self::Off } else { Self::Refused }
    }
}

/// The source of an error of these adapters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub why: Cause,
    pub fact: String,
    pub remedy: String,
}

impl Diagnosis {
    pub fn of(error: &flow::Error) -> Option<&Self> {
        error.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)?;
        // A problem that passes by itself needs no advice in every log line.
        if self.why.needs_a_person() { write!(f, "; to mend it, {}", self.remedy) } else { Ok(()) }
    }
}

impl std::error::Error for Diagnosis {}

/// A description of a service, for remedies that can be pasted into a shell.
#[derive(Clone, Debug)]
pub struct Service {
    /// For example `database (default) of project p`.
    pub what: String,
    pub address: String,
    /// The variable that names an emulator, if one is in use.
    pub emulated_by: Option<&'static str>,
    pub project: Option<String>,
    /// The name for `gcloud services enable`.
    pub api: &'static str,
    /// The remedy for a missing role: "grant … to …".
    pub grant: String,
    /// The remedy for something that does not exist: how to create it.
    pub make: String,
}

impl Service {
    pub fn diagnosis(&self, why: Cause, fact: impl fmt::Display) -> Diagnosis {
        let fact = one_line(&fact.to_string());
        Diagnosis { why, fact: fact.trim_end_matches(['.', ' ']).to_owned(), remedy: self.remedy(why) }
    }

    pub fn unreachable(&self, message: impl fmt::Display) -> Diagnosis {
        self.diagnosis(Cause::Unreachable, format!("no way to {}: {message}", self.address))
    }

    pub fn no_token(&self, message: impl fmt::Display) -> Diagnosis {
        self.diagnosis(Cause::Credentials, format!("no credentials that Google takes: {message}"))
    }

    fn remedy(&self, why: Cause) -> String {
        let project = self.project.as_ref().map(|project| format!(" --project={project}")).unwrap_or_default();
        match (why, self.emulated_by) {
            (Cause::Unreachable | Cause::Away, Some(variable)) => {
                format!("start the emulator at {}, or unset {variable}", self.address)
            }
            (Cause::Unreachable, None) => {
                "check the network path from this machine: DNS, firewall, VPC egress, proxy".to_owned()
            }
            (Cause::Away, None) => "try again in a minute; https://status.cloud.google.com tells of outages".to_owned(),
            (Cause::Quota, _) => format!("wait, or ask for more: the page Quotas of {} in the console", self.api),
            (Cause::Credentials, _) => CREDENTIALS.to_owned(),
            (Cause::Refused, _) => self.grant.clone(),
            (Cause::Off, _) => format!("turn it on: gcloud services enable {}{project}", self.api),
            (Cause::Missing, _) => self.make.clone(),
            (Cause::NoIndex, _) => {
                format!("make all indexes: cd infra && firebase deploy --only firestore:indexes{project}")
            }
        }
    }
}

const CREDENTIALS: &str = "give the function a service account, or set GOOGLE_APPLICATION_CREDENTIALS to a valid file, or \
                           run gcloud auth application-default login";

/// Shortens the text of another service to one line of limited length.
pub(crate) fn one_line(message: &str) -> String {
    const MAX_CHARS: usize = 500;
    let words: Vec<_> = message.split_whitespace().collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// Why there is no token. The library wraps its errors in each other, and only the innermost says what
/// happened.
pub(crate) fn token_words(why: &(dyn std::error::Error + 'static)) -> String {
    let links = std::iter::successors(Some(why), |error| error.source());
    let Some(inner) = links.filter_map(|error| error.downcast_ref::<CredentialsError>()).last() else {
        return causes(why);
    };
    let text = inner.to_string();
    let text = [" and future attempts will not succeed", " but future attempts may succeed"]
        .iter()
        .fold(text.as_str(), |text, more| text.trim_end_matches(more));
    match std::error::Error::source(inner) {
        // The message already contains the response.
        Some(cause) if !text.contains("body=<") => format!("{text}: {}", causes(cause)),
        _ => text.to_owned(),
    }
}

/// The text of an error with its causes, without repetitions.
pub(crate) fn causes(why: &(dyn std::error::Error + 'static)) -> String {
    let mut text = why.to_string();
    let mut behind = why.source();
    while let Some(cause) = behind {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        behind = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(emulated_by: Option<&'static str>) -> Service {
        Service {
            what: "bucket `b`".to_owned(),
            address: "http://127.0.0.1:9".to_owned(),
            emulated_by,
            project: None,
            api: "storage.googleapis.com",
            grant: "grant a role".to_owned(),
            make: "make it".to_owned(),
        }
    }

    #[test]
    fn remedy_depends_on_problem_and_service() {
        let google = |why| service(None).diagnosis(why, "x").remedy;
        assert_eq!(google(Cause::Refused), "grant a role");
        assert_eq!(google(Cause::Missing), "make it");
        assert!(google(Cause::Unreachable).contains("firewall") && google(Cause::Credentials).contains("gcloud auth"));
        assert!(google(Cause::Off).contains("gcloud services enable storage.googleapis.com"));
        let emulator = service(Some("X_HOST")).unreachable("Connection refused");
        assert_eq!(emulator.remedy, "start the emulator at http://127.0.0.1:9, or unset X_HOST");
        assert_eq!(emulator.fact, "no way to http://127.0.0.1:9: Connection refused");
    }

    #[test]
    fn transient_problems_are_shown_without_remedy_and_others_with_it() {
        let text = |why| service(None).diagnosis(why, "it\n  said so. ").to_string();
        assert_eq!(text(Cause::Away), "it said so");
        assert_eq!(text(Cause::Refused), "it said so; to mend it, grant a role");
    }

    #[test]
    fn token_error_shows_innermost_error_and_its_cause() {
        let answer = CredentialsError::from_msg(false, "failed to refresh, body=<{\"error\":\"invalid_grant\"}>");
        let outer = CredentialsError::new(false, "Request to fetch the token failed.", answer);
        assert_eq!(token_words(&outer), "failed to refresh, body=<{\"error\":\"invalid_grant\"}>");
        let refused = std::io::Error::other("Connection refused");
        let outer = CredentialsError::new(true, "outer", CredentialsError::new(true, "failed to refresh", refused));
        assert_eq!(token_words(&outer), "failed to refresh: Connection refused");
    }
}
