//! Checks of a file and of a batch that need none of their bytes. They are pure functions.

use std::time::Duration;

use domain::name::{CapturedError, MAX_NAME_BYTES, check_captured};
use domain::{Code, ConversationId, RecordingName, Sha256Hex, Stream, Timestamp};

use super::refusal::{BadFile, Refused};
use crate::settings::UploadLimits;

/// The longest language hint in bytes; BCP 47 needs no more in practice.
const MAX_LANGUAGE_BYTES: usize = 35;

/// The options that the caller chose for the batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchOptions {
    pub conversation_id: Option<ConversationId>,
    pub language: Option<String>,
}

pub fn parse_terms(conversation_id: Option<&str>, language: Option<&str>) -> Result<BatchOptions, Refused> {
    let conversation_id = conversation_id
        .map(|text| text.parse().map_err(|e| Refused::batch(Code::InvalidParameter, format!("conversation_id: {e}"))))
        .transpose()?;
    let language = language.map(|text| parse_language(text).ok_or_else(|| not_a_language(text))).transpose()?;
    Ok(BatchOptions { conversation_id, language })
}

fn not_a_language(text: &str) -> Refused {
    let shown: String = text.chars().take(MAX_LANGUAGE_BYTES).collect();
    Refused::batch(Code::InvalidParameter, format!("language: `{shown}` is not a language tag such as `en` or `pt-BR`"))
}

fn parse_language(text: &str) -> Option<String> {
    let part = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut parts = text.split('-');
    let primary = parts.next()?;
    let fits = text.len() <= MAX_LANGUAGE_BYTES
        && (2..=8).contains(&primary.len())
        && primary.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(part);
    fits.then(|| text.to_owned())
}

/// The headers of a part, besides the file name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartHeaders {
    pub captured_at: Option<Timestamp>,
    pub digest: Option<Sha256Hex>,
}

/// A file whose name and time are valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub stream: Stream,
    pub captured_at: Option<Timestamp>,
}

/// A name as it is kept and reported. It is cut after the longest valid length, so that a batch of bad names cannot fill
/// the memory.
pub fn shown(name: &str) -> String {
    if name.len() <= MAX_NAME_BYTES {
        return name.to_owned();
    }
    format!("{}…", &name[..name.floor_char_boundary(MAX_NAME_BYTES)])
}

pub fn check_file(
    name: &str,
    headers: &PartHeaders,
    limits: &UploadLimits,
    now: Timestamp,
) -> Result<Checked, BadFile> {
    let bad = |code, detail: String, retry_after| BadFile { file: shown(name), code, detail, retry_after };
    let parsed: RecordingName =
        domain::name::parse(name).map_err(|why| bad(Code::InvalidFilename, why.to_string(), None))?;
    let captured_at = parsed.captured_at.or(headers.captured_at);
    if let Some(at) = captured_at {
        check_captured(at, now, limits.max_future, limits.recovery_window).map_err(|why| wrong_time(why, &bad))?;
    }
    Ok(Checked { stream: parsed.stream, captured_at })
}

fn wrong_time(why: CapturedError, bad: &dyn Fn(Code, String, Option<Duration>) -> BadFile) -> BadFile {
    match why {
        CapturedError::InFuture { by } => {
            let detail = format!("the recording begins {} s ahead of the server's clock", by.as_secs());
            bad(Code::RecordingInFuture, detail, Some(by))
        }
        CapturedError::TooOld => {
            bad(Code::RecordingTooOld, "the recording is older than the recovery window".to_owned(), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_language_tags_are_accepted_as_language_hints() {
        for good in ["en", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske"] {
            assert!(parse_language(good).is_some(), "{good}");
        }
        for bad in ["", "e", "en_US", "en-", "123", "en us", "abcdefghi"] {
            assert!(parse_language(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn name_is_reported_whole_unless_it_is_longer_than_any_valid_name() {
        let longest = "ä".repeat(MAX_NAME_BYTES / 2);
        assert_eq!(shown(&longest), longest);
        let cut = shown(&format!("x{longest}{longest}"));
        assert!(cut.starts_with("xä") && cut.ends_with("ä…") && cut.len() < MAX_NAME_BYTES + 4, "{cut}");
    }
}
