//! What clients and the operator are told about an error that keeps a job waiting. The sentences for clients are fixed, so
//! that no address, key or spoken text gets into them; the error itself is for the operator.

use domain::{Explanation, WaitCode};
use speech::{EngineError, RetryClass};

use crate::error::{Error, Kind};

/// Explains the error of an engine call.
pub fn engine_error(error: &EngineError) -> Explanation {
    Explanation::new(&engine_sentence(error)).because(&error.detail)
}

fn engine_sentence(error: &EngineError) -> String {
    let Some(status) = error.status else {
        let sentence = match error.retry {
            RetryClass::Transient => "the speech engine cannot be reached, or gives no valid answer",
            RetryClass::Later { .. } => "the speech engine is busy or still starting",
            RetryClass::Misconfigured => "the speech engine is not set up right",
            RetryClass::Refused => "the speech engine refuses the audio",
        };
        return sentence.to_owned();
    };
    let meaning = match status {
        300..=399 => " (it points to another address)",
        401 => " (invalid key)",
        402 => " (no credit left)",
        403 => " (no permission)",
        404 | 405 => " (wrong address or model)",
        413 => " (too much audio at once)",
        429 => " (too many requests)",
        500.. => " (a fault of the engine)",
        _ => "",
    };
    format!("the speech engine answered {status}{meaning}")
}

/// Explains an engine that returned no text for the built-in sample.
pub fn silent_engine() -> Explanation {
    Explanation::new("the speech engine returns no text, not even for a sample of clear speech")
}

/// Explains an engine that refused the built-in sample as invalid.
pub fn refused_sample() -> Explanation {
    Explanation::new("the speech engine refuses even a sample of clear speech")
}

/// Explains a language that the engine does not support.
pub fn unsupported_language(language: &str, engine: &str) -> Explanation {
    let sentence = WaitCode::LanguageUnsupported.sentence();
    Explanation::new(&format!("{sentence} ({language})")).because(&format!("{engine} does not support {language}"))
}

/// Explains the error of the job store or of the storage of audio.
pub fn port_error(error: &Error) -> Explanation {
    let port = match error.operation.split('.').next() {
        Some("store") => "the job store",
        Some("blobs" | "uploads") => "the storage of audio",
        _ => "a service that the job needs",
    };
    let what = match error.kind {
        Kind::Unavailable | Kind::Unknown => "does not answer",
        Kind::Throttled => "asks for fewer requests",
        Kind::Full => "has no room left",
        Kind::Misconfigured => "is not set up right",
        Kind::NotFound | Kind::Conflict | Kind::Corrupt | Kind::Invalid => "gave an unexpected answer",
    };
    Explanation::new(&format!("{port} {what}")).because(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_a_provider_is_explained_without_its_address_or_words() {
        let error =
            EngineError::new(RetryClass::Misconfigured, "stt.internal answered 401: wrong key").with_status(401);
        let explained = engine_error(&error);
        assert_eq!(explained.detail(), "the speech engine answered 401 (invalid key)");
        assert_eq!(explained.cause(), Some("stt.internal answered 401: wrong key"));
        for status in 300..600 {
            let explained = engine_error(&error.clone().with_status(status));
            assert!(explained.detail().contains(&status.to_string()) && !explained.detail().contains("stt"));
        }
    }

    #[test]
    fn refused_connection_and_full_storage_are_told_without_their_address() {
        let refused = engine_error(&EngineError::new(RetryClass::Transient, "a call to stt.internal was not answered"));
        assert_eq!(refused.detail(), "the speech engine cannot be reached, or gives no valid answer");
        let full = port_error(&Error::new(Kind::Full, "blobs.read", "uploads/ann/1"));
        assert_eq!(full.detail(), "the storage of audio has no room left");
        assert_eq!(full.cause(), Some("blobs.read found no room (uploads/ann/1)"));
    }
}
