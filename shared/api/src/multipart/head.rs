//! Reads the header fields of a part.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::MultipartError;
use super::input::Input;
use super::limits;

const FIELD: MultipartError = MultipartError::Malformed("a part has a malformed header");

/// Reads the headers up to and including the empty line.
pub(super) async fn read(input: &mut Input) -> Result<HeaderMap, MultipartError> {
    let mut headers = HeaderMap::new();
    let mut budget = limits::HEADER_BYTES;
    loop {
        let line = input.line(budget).await?;
        let line = line.ok_or(MultipartError::Malformed("the headers of a part are larger than 16 KiB"))?;
        budget -= line.len();
        let line = line.strip_suffix(b"\r\n").ok_or(FIELD)?;
        if line.is_empty() {
            return Ok(headers);
        }
        if headers.len() == limits::HEADERS {
            return Err(MultipartError::Malformed("a part has more than 32 headers"));
        }
        let (name, value) = field(line).ok_or(FIELD)?;
        headers.append(name, value);
    }
}

/// Parses one header line. A folded line (it begins with a blank) is refused because its name is invalid: HTTP has
/// deprecated folding.
fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = HeaderValue::from_bytes(trim_blanks(&line[colon + 1..])).ok()?;
    Some((name, value))
}

/// Trims blanks only: a stray CR is refused and not trimmed.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
