//! What a provider says about why it refuses, and who can help: time, a person, or nobody.

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::engine::Retry;

/// Of a complaint, in the log.
const MOST_CHARS: usize = 200;

/// Told by the known fields of its body. Anything else is not looked at: it may be a page, or hold what was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Complaint {
    text: String,
}

impl Complaint {
    /// Deepgram: `err_code`, `err_msg`, or `category`, `message`, `details`. OpenAI: `error` with `code`, `type`,
    /// `param`, `message`. Servers made with FastAPI: `detail`, a sentence or a list of `loc` and `msg`.
    pub fn read(body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let mut said = Vec::new();
        for object in [&body, &body["error"]] {
            for field in ["err_code", "err_msg", "category", "code", "type", "param", "message", "details"] {
                said.extend(object[field].as_str());
            }
        }
        said.extend(body["error"].as_str());
        said.extend(body["detail"].as_str());
        for detail in body["detail"].as_array().into_iter().flatten() {
            said.extend(detail["loc"].as_array().into_iter().flatten().filter_map(Value::as_str));
            said.extend(detail["msg"].as_str());
        }
        said.extend(body["request_id"].as_str());
        Self { text: said.join(" ") }
    }

    /// Short, on one line, and without the key.
    pub fn shown(&self, key: Option<&SecretString>) -> String {
        let text = match key {
            Some(key) => self.text.replace(key.expose_secret(), "****"),
            None => self.text.clone(),
        };
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_CHARS).collect()
    }

    fn names(&self, words: &[&str]) -> bool {
        let text = self.text.to_ascii_lowercase();
        words.iter().any(|word| text.contains(word))
    }

    /// Whether the form of the answer that was asked for is what it does not like.
    pub fn is_about_form(&self) -> bool {
        self.names(&["response_format", "verbose_json", "timestamp_granularit"])
    }

    fn is_about_audio(&self) -> bool {
        self.names(&["audio", "decod", "corrupt", "file", "media", "too short"])
    }

    fn is_about_settings(&self) -> bool {
        self.is_about_form()
            || self.names(&["model", "language", "tier", "version", "parameter", "query", "credential", "permission"])
    }
}

/// What an answer that is no success means for the call. `works`: the same settings have had an answer before.
///
/// 400, 415 and 422 are said of audio that cannot be read, and of settings that a provider does not know: its words
/// tell. Where they do not, the audio is to blame only once the settings are known to be right: what a wrong setting
/// refuses would be lost for ever. 413 is never the audio's fault: how long a piece is, is our own choice.
pub(super) fn class(status: StatusCode, complaint: &Complaint, works: bool) -> Retry {
    match status.as_u16() {
        429 => Retry::Later { after: None },
        408 | 409 | 425 | 499 => Retry::Transient,
        400 | 415 | 422 => match (complaint.is_about_audio(), complaint.is_about_settings()) {
            (true, false) => Retry::Refused,
            (false, true) => Retry::Misconfigured,
            _ if works => Retry::Refused,
            _ => Retry::Misconfigured,
        },
        // Not there to stay: a method or a version that it does not know.
        501 | 505 => Retry::Misconfigured,
        500.. => Retry::Transient,
        // Redirects, keys, credit, addresses, sizes.
        _ => Retry::Misconfigured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(body: &str) -> Complaint {
        Complaint::read(body.as_bytes())
    }

    fn classes(status: u16, body: &str) -> (Retry, Retry) {
        let class = |works| class(StatusCode::from_u16(status).unwrap(), &complaint(body), works);
        (class(false), class(true))
    }

    #[test]
    fn every_status_says_who_can_help() {
        let later = Retry::Later { after: None };
        for (status, retry) in [
            (301, Retry::Misconfigured),
            (307, Retry::Misconfigured),
            (401, Retry::Misconfigured),
            (402, Retry::Misconfigured),
            (403, Retry::Misconfigured),
            (404, Retry::Misconfigured),
            (405, Retry::Misconfigured),
            (408, Retry::Transient),
            (413, Retry::Misconfigured),
            (429, later),
            (500, Retry::Transient),
            (501, Retry::Misconfigured),
            (502, Retry::Transient),
            (503, Retry::Transient),
            (504, Retry::Transient),
        ] {
            assert_eq!(classes(status, ""), (retry, retry), "{status}");
        }
    }

    #[test]
    fn audio_that_a_provider_cannot_read_is_refused_for_good() {
        for body in [
            r#"{"err_code":"Bad Request","err_msg":"Bad Request: failed to process audio: corrupt or unsupported data","request_id":"1"}"#,
            r#"{"error":{"message":"Audio file is too short. Minimum audio length is 0.1 seconds.","type":"invalid_request_error","param":"file","code":"audio_too_short"}}"#,
            r#"{"error":"failed to decode audio data"}"#,
            r#"{"detail":"Failed to decode audio."}"#,
        ] {
            assert_eq!(classes(400, body), (Retry::Refused, Retry::Refused), "{body}");
        }
    }

    #[test]
    fn settings_that_a_provider_does_not_know_need_a_person() {
        for body in [
            r#"{"err_code":"Bad Request","err_msg":"Bad Request: No such model/language/tier combination found.","request_id":"1"}"#,
            r#"{"err_code":"INVALID_QUERY_PARAMETER","err_msg":"Failed to deserialize query parameters: x"}"#,
            r#"{"error":{"message":"Invalid model.","type":"invalid_request_error","param":"model","code":null}}"#,
            r#"{"detail":[{"loc":["body","response_format"],"msg":"unexpected value","type":"enum"}]}"#,
        ] {
            assert_eq!(classes(422, body), (Retry::Misconfigured, Retry::Misconfigured), "{body}");
        }
    }

    #[test]
    fn a_complaint_that_says_nothing_blames_the_audio_only_where_the_settings_have_worked() {
        for body in
            ["", "<html>Bad Request</html>", "{}", r#"{"error":{"message":"the audio is too long for this model"}}"#]
        {
            assert_eq!(classes(400, body), (Retry::Misconfigured, Retry::Refused), "{body}");
        }
    }

    #[test]
    fn what_is_shown_is_short_one_line_and_without_the_key() {
        let key = SecretString::from("sk-hidden");
        let said = complaint(r#"{"error":{"code":"invalid_api_key","message":"Incorrect API key:\nsk-hidden."}}"#);
        assert_eq!(said.shown(Some(&key)), "invalid_api_key Incorrect API key: ****.");
        let long = complaint(&format!(r#"{{"err_msg":"{}"}}"#, "ä".repeat(900)));
        assert_eq!(long.shown(None).chars().count(), MOST_CHARS);
        assert_eq!(complaint(r#"{"text":"what was said","results":"what was said"}"#).shown(None), "");
    }
}
