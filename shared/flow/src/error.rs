//! The error type of all ports: its kind, whether a retry can help, the operation, and the cause.

use std::fmt;
use std::time::Duration;

use domain::InvalidWrite;

/// The kind of an error, as far as a caller has to distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The service cannot be reached, or is locked, full or broken at the moment.
    Unavailable,
    /// The operation may or may not have happened, because its answer was lost. Read back, or repeat it: every operation of
    /// every port recognises that it was done before. **Never delete anything because of this error.**
    Unknown,
    /// The service asks for fewer requests.
    Throttled,
    /// The requested object does not exist.
    NotFound,
    /// Another object exists under the same name.
    Conflict,
    /// The bytes that were read differ from those that were written.
    Corrupt,
    /// The reserve of the disk or the quota is reached.
    Full,
    /// Permissions or settings are wrong: only a person can help.
    Misconfigured,
    /// The request can never succeed as it is.
    Invalid,
}

/// When the same call may succeed, without anybody's intervention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// In a moment: whoever asks may ask again at once.
    Soon,
    /// Later: asking again at once only costs time.
    Later,
    Never,
}

impl Kind {
    /// The one place that decides which errors a retry can help.
    pub fn retry(self) -> Retry {
        match self {
            Self::Unavailable | Self::Unknown | Self::Throttled => Retry::Soon,
            Self::Full => Retry::Later,
            Self::NotFound | Self::Conflict | Self::Corrupt | Self::Misconfigured | Self::Invalid => Retry::Never,
        }
    }
}

impl From<InvalidWrite> for Kind {
    fn from(why: InvalidWrite) -> Self {
        match why {
            InvalidWrite::JobOfAnotherUser => Self::Conflict,
            InvalidWrite::LongCheckpoint
            | InvalidWrite::LargeGroup
            | InvalidWrite::Lines
            | InvalidWrite::Records
            | InvalidWrite::UnreadableRecord
            | InvalidWrite::UsageCount => Self::Invalid,
        }
    }
}

/// What to do about an error of the kind [`Kind::Misconfigured`], whose text ends with the details that are known.
pub const REMEDY: &str = "change what the error ends with: a role, a setting, or the owner of a file; on Google Cloud, \
                          `doctor` tries everything";

pub type Source = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    /// The port and its operation, such as `store.claim` or `blobs.put`.
    pub operation: &'static str,
    /// The object of the operation, such as a job id or a blob's name. Never a secret or a token.
    pub subject: String,
    /// How long to wait, if the service said so.
    pub retry_after: Option<Duration>,
    pub source: Option<Source>,
    /// The adapter has retried the call itself, for as long as its policy allows: nobody above it retries at once.
    pub was_retried: bool,
}

impl Error {
    pub fn new(kind: Kind, operation: &'static str, subject: impl fmt::Display) -> Self {
        Self { kind, operation, subject: subject.to_string(), retry_after: None, source: None, was_retried: false }
    }

    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn after_retries(mut self) -> Self {
        self.was_retried = true;
        self
    }

    /// Whether the same call may succeed later without anybody's intervention.
    pub fn may_pass(&self) -> bool {
        self.kind.retry() != Retry::Never
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Unavailable => "is unavailable",
            Kind::Unknown => "has an unknown outcome",
            Kind::Throttled => "is throttled",
            Kind::NotFound => "found nothing",
            Kind::Conflict => "met something else in its place",
            Kind::Corrupt => "read other bytes than were written",
            Kind::Full => "found no room",
            Kind::Misconfigured => "is misconfigured",
            Kind::Invalid => "is not possible",
        };
        write!(f, "{} {what}", self.operation)?;
        if !self.subject.is_empty() {
            write!(f, " ({})", self.subject)?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

pub type Result<T> = std::result::Result<T, Error>;
