//! Error responses of providers, and the retry class that follows from them.

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::engine::RetryClass;

/// The length of an error in the log.
const MAX_CHARS: usize = 200;

/// The error of a provider, from known fields of the response body. Other content is ignored: it may be an HTML page or
/// contain spoken text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ProviderError {
    text: String,
}

impl ProviderError {
    /// Reads the fields of Deepgram (`err_code`, `err_msg`, or `category`, `message`, `details`), of OpenAI (`error` with
    /// `code`, `type`, `param`, `message`) and of servers made with FastAPI (`detail`, a text or a list of `loc` and `msg`).
    pub fn read(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let mut parts = Vec::new();
        for object in [&body, &body["error"]] {
            for field in ["err_code", "err_msg", "category", "code", "type", "param", "message", "details"] {
                parts.extend(object[field].as_str());
            }
        }
        parts.extend(body["error"].as_str());
        parts.extend(body["detail"].as_str());
        for detail in body["detail"].as_array().into_iter().flatten() {
            parts.extend(detail["loc"].as_array().into_iter().flatten().filter_map(Value::as_str));
            parts.extend(detail["msg"].as_str());
        }
        parts.extend(body["request_id"].as_str());
        Self { text: parts.join(" ") }
    }

    /// The error for the log: short, on one line, and without the key.
    pub fn shown(&self, key: Option<&SecretString>) -> String {
        let text = match key {
            Some(key) => self.text.replace(key.expose_secret(), "****"),
            None => self.text.clone(),
        };
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_CHARS).collect()
    }

    fn names(&self, words: &[&str]) -> bool {
        let text = self.text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// Whether the provider does not support the requested response format.
    pub fn is_about_response_format(&self) -> bool {
        self.names(&["response_format", "verbose_json", "timestamp_granularit"])
    }

    fn is_about_audio(&self) -> bool {
        self.names(&["audio", "decod", "corrupt", "file", "media", "too short"])
    }

    fn is_about_settings(&self) -> bool {
        self.is_about_response_format()
            || self.names(&["model", "language", "tier", "version", "parameter", "query", "credential", "permission"])
    }
}

/// The retry class of an error response. `works` says whether a call with the same settings has succeeded before.
///
/// Providers use 400, 415 and 422 both for unreadable audio and for settings that they do not know. The text of the error
/// decides. If it says neither, the audio is refused only if the settings are known to work: otherwise recordings would be
/// lost because of a wrong setting. 413 is never the fault of the audio, because the length of pieces is our own choice.
pub(super) fn retry_class(status: StatusCode, provider_error: &ProviderError, works: bool) -> RetryClass {
    match status.as_u16() {
        429 => RetryClass::Later { after: None },
        408 | 409 | 425 | 499 => RetryClass::Transient,
        400 | 415 | 422 => match (provider_error.is_about_audio(), provider_error.is_about_settings()) {
            (true, false) => RetryClass::Refused,
            (false, true) => RetryClass::Misconfigured,
            _ if works => RetryClass::Refused,
            _ => RetryClass::Misconfigured,
        },
        // The provider does not know the method or the HTTP version, which will not change.
        501 | 505 => RetryClass::Misconfigured,
        500.. => RetryClass::Transient,
        // The other statuses are about redirects, keys, credit, addresses and sizes.
        _ => RetryClass::Misconfigured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider_error(body: &str) -> ProviderError {
        ProviderError::read(body.as_bytes())
    }

    fn retry_classes(status: u16, body: &str) -> (RetryClass, RetryClass) {
        let retry_class = |works| retry_class(StatusCode::from_u16(status).unwrap(), &provider_error(body), works);
        (retry_class(false), retry_class(true))
    }

    #[test]
    fn every_status_has_its_retry_class() {
        let later = RetryClass::Later { after: None };
        for (status, retry) in [
            (301, RetryClass::Misconfigured),
            (307, RetryClass::Misconfigured),
            (401, RetryClass::Misconfigured),
            (402, RetryClass::Misconfigured),
            (403, RetryClass::Misconfigured),
            (404, RetryClass::Misconfigured),
            (405, RetryClass::Misconfigured),
            (408, RetryClass::Transient),
            (413, RetryClass::Misconfigured),
            (429, later),
            (500, RetryClass::Transient),
            (501, RetryClass::Misconfigured),
            (502, RetryClass::Transient),
            (503, RetryClass::Transient),
            (504, RetryClass::Transient),
        ] {
            assert_eq!(retry_classes(status, ""), (retry, retry), "{status}");
        }
    }

    #[test]
    fn unreadable_audio_is_refused() {
        for body in [
            r#"{"err_code":"Bad Request","err_msg":"Bad Request: failed to process audio: corrupt or unsupported data","request_id":"1"}"#,
            r#"{"error":{"message":"Audio file is too short. Minimum audio length is 0.1 seconds.","type":"invalid_request_error","param":"file","code":"audio_too_short"}}"#,
            r#"{"error":"failed to decode audio data"}"#,
            r#"{"detail":"Failed to decode audio."}"#,
        ] {
            assert_eq!(retry_classes(400, body), (RetryClass::Refused, RetryClass::Refused), "{body}");
        }
    }

    #[test]
    fn unknown_settings_are_misconfigured() {
        for body in [
            r#"{"err_code":"Bad Request","err_msg":"Bad Request: No such model/language/tier combination found.","request_id":"1"}"#,
            r#"{"err_code":"INVALID_QUERY_PARAMETER","err_msg":"Failed to deserialize query parameters: x"}"#,
            r#"{"error":{"message":"Invalid model.","type":"invalid_request_error","param":"model","code":null}}"#,
            r#"{"detail":[{"loc":["body","response_format"],"msg":"unexpected value","type":"enum"}]}"#,
        ] {
            assert_eq!(retry_classes(422, body), (RetryClass::Misconfigured, RetryClass::Misconfigured), "{body}");
        }
    }

    #[test]
    fn error_without_reason_refuses_the_audio_only_if_settings_have_worked() {
        for body in
            ["", "<html>Bad Request</html>", "{}", r#"{"error":{"message":"the audio is too long for this model"}}"#]
        {
            assert_eq!(retry_classes(400, body), (RetryClass::Misconfigured, RetryClass::Refused), "{body}");
        }
    }

    #[test]
    fn shown_error_is_short_and_on_one_line_and_without_the_key() {
        let key = SecretString::from("sk-hidden");
        let error =
            provider_error(r#"{"error":{"code":"invalid_api_key","message":"Incorrect API key:\nsk-hidden."}}"#);
        assert_eq!(error.shown(Some(&key)), "invalid_api_key Incorrect API key: ****.");
        let long = provider_error(&format!(r#"{{"err_msg":"{}"}}"#, "ä".repeat(900)));
        assert_eq!(long.shown(None).chars().count(), MAX_CHARS);
        assert_eq!(provider_error(r#"{"text":"what was said","results":"what was said"}"#).shown(None), "");
    }
}
