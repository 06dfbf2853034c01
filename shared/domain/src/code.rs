//! Every error code that a client can see: its HTTP status, its title, and who is to blame.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who is to blame. A client counts only `Content` against a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    Content,
    Limit,
    Service,
}

impl Blame {
    pub const ALL: [Blame; 3] = [Blame::Content, Blame::Limit, Blame::Service];
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// A stable code of the API. `status` is what a request answers; codes that only files and jobs carry have 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status of a request that ends with this code; 0 for codes of files and jobs only.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    // Uploads, per file.
    InvalidFilename = "invalid_filename", 400, "The file name is not one of a recording";
    DuplicateFilename = "duplicate_filename", 400, "Two files of the batch have the same name";
    EmptyFile = "empty_file", 400, "The file has no bytes";
    FileTooLarge = "file_too_large", 413, "The file is larger than the limit";
    DigestMismatch = "digest_mismatch", 422, "The bytes differ from the digest that was sent";
    RecordingInFuture = "recording_in_future", 422, "The recording lies in the future";
    RecordingTooOld = "recording_too_old", 422, "The recording is older than the recovery window";
    // Uploads, per batch.
    EmptyBatch = "empty_batch", 400, "The batch has no files";
    MalformedMultipart = "malformed_multipart", 400, "The multipart body cannot be read";
    BatchTooLarge = "batch_too_large", 413, "The batch is larger than the limit";
    TooManyFiles = "too_many_files", 413, "The batch has too many files";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body has the wrong media type";
    FairUseRestricted = "fair_use_restricted", 429, "The fair-use limit is reached";
    RateLimited = "rate_limited", 429, "Too many requests";
    BackendBusy = "backend_busy", 503, "The service is busy";
    StorageUnavailable = "storage_unavailable", 503, "The service cannot store anything at the moment";
    // Any request.
    InvalidJson = "invalid_json", 400, "The body is not the JSON that is expected";
    InvalidParameter = "invalid_parameter", 400, "A parameter is not valid";
    InvalidCursor = "invalid_cursor", 400, "The cursor is not one that this service gave";
    Unauthenticated = "unauthenticated", 401, "A valid token is needed";
    Forbidden = "forbidden", 403, "This is not allowed";
    NotFound = "not_found", 404, "There is nothing here";
    MethodNotAllowed = "method_not_allowed", 405, "The method is not allowed here";
    RequestTimeout = "request_timeout", 408, "The request did not arrive in time";
    RequestTooLarge = "request_too_large", 413, "The request is larger than the limit";
    UriTooLong = "uri_too_long", 414, "The address is too long";
    HeadersTooLarge = "headers_too_large", 431, "The request headers are too large";
    InternalError = "internal_error", 500, "Something went wrong on our side";
    ShuttingDown = "shutting_down", 503, "The service is shutting down";
    ClockNotSet = "clock_not_set", 503, "The clock of the service is not set";
    // Jobs and conversations.
    JobNotFound = "job_not_found", 404, "No such job";
    NotYourJob = "not_your_job", 403, "The job belongs to someone else";
    JobFinished = "job_finished", 409, "The job is already finished";
    NotRetryable = "not_retryable", 409, "The job cannot be retried";
    JobFailed = "job_failed", 500, "Nothing came of the job";
    StillProcessing = "still_processing", 504, "The job takes longer than a request may wait";
    UploadIncomplete = "upload_incomplete", 409, "Not every file is whole";
    UploadNotFound = "upload_not_found", 404, "No such upload";
    UploadExpired = "upload_expired", 410, "The upload was not completed in time";
    InvalidRange = "invalid_range", 416, "The range does not follow what has arrived";
    ConversationNotFound = "conversation_not_found", 404, "No such conversation";
    // The task routes.
    OwnerMismatch = "owner_mismatch", 403, "The job belongs to another user";
    LeaseHeld = "lease_held", 409, "Another worker holds the job";
    StoreUnavailable = "store_unavailable", 500, "The job store cannot be reached";
    // Files and jobs only.
    InvalidAudio = "invalid_audio", 0, "Nothing in the file can be decoded";
    PartlyDecoded = "partly_decoded", 0, "Part of the file could not be decoded";
    StagedAudioMissing = "staged_audio_missing", 0, "The staged audio is gone";
    TranscriptionRefused = "transcription_refused", 0, "The speech engine refused the audio";
    TranscriptionFailed = "transcription_failed", 0, "The speech engine failed again and again";
    WorkerLost = "worker_lost", 0, "The worker was lost again and again";
    Internal = "internal", 0, "Something went wrong on our side, again and again";
    WaitedTooLong = "waited_too_long", 0, "The job waited too long";
}

impl Code {
    /// Whose fault it is when a file or a job ends with this code.
    pub const fn blame(self) -> Blame {
        match self {
            Code::InvalidAudio | Code::PartlyDecoded | Code::TranscriptionRefused | Code::DigestMismatch => {
                Blame::Content
            }
            Code::FairUseRestricted | Code::RateLimited => Blame::Limit,
            _ => Blame::Service,
        }
    }

    /// Whether the same audio may succeed when it is tried again.
    pub const fn retryable(self) -> bool {
        !matches!(self.blame(), Blame::Content)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an error code of this version")]
pub struct UnknownCode(pub String);

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Code::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_parse_back() {
        for (i, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.as_str().parse::<Code>().as_ref(), Ok(code));
            assert!(!Code::ALL[..i].iter().any(|c| c.as_str() == code.as_str()), "{code} stands twice");
        }
    }

    #[test]
    fn only_content_codes_blame_the_recording() {
        let content: Vec<_> = Code::ALL.iter().filter(|c| c.blame() == Blame::Content).collect();
        assert_eq!(
            content,
            [&Code::DigestMismatch, &Code::InvalidAudio, &Code::PartlyDecoded, &Code::TranscriptionRefused]
        );
    }
}
