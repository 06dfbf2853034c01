//! Reads the boundary from the request's `Content-Type`.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::error::MultipartError;
use super::{limits, parameters};

const OTHER: MultipartError = MultipartError::MediaType("the Content-Type is not multipart/form-data");

pub(super) fn boundary(headers: &HeaderMap) -> Result<String, MultipartError> {
    let value = only(headers)?.to_str().map_err(|_| OTHER)?;
    // The media type is checked first: parameters of another media type are irrelevant.
    let kind = value.split(';').next().unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(OTHER);
    }
    let (_, parameters) = parameters::split(value)?;
    let boundary = parameters.get("boundary").ok_or(MultipartError::Malformed("the Content-Type has no boundary"))?;
    if !is_legal(boundary) {
        return Err(MultipartError::Malformed("the boundary is not of 1 to 70 of the characters that RFC 2046 allows"));
    }
    Ok(boundary.to_owned())
}

fn only(headers: &HeaderMap) -> Result<&HeaderValue, MultipartError> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(MultipartError::MediaType("the Content-Type is missing")),
        (Some(_), Some(_)) => Err(MultipartError::MediaType("there are two Content-Type headers")),
    }
}

/// RFC 2046, section 5.1.1: a space is allowed, but not at the end. The scanner relies on the absence of CR.
fn is_legal(boundary: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=limits::BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ') && boundary.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundary_of(values: &[&str]) -> Result<String, MultipartError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        boundary(&headers)
    }

    #[test]
    fn boundary_may_be_plain_or_quoted() {
        let longest = "x".repeat(70);
        let cases = [
            ("multipart/form-data; boundary=abc", "abc"),
            ("Multipart/Form-Data;charset=utf-8;BOUNDARY=abc;", "abc"),
            ("multipart/form-data; boundary=\"a b'()+_,-./:=?c\"", "a b'()+_,-./:=?c"),
            ("multipart/form-data; boundary=a/b=c", "a/b=c"),
            (&format!("multipart/form-data; boundary={longest}"), &longest),
        ];
        for (value, expected) in cases {
            assert_eq!(boundary_of(&[value]).unwrap(), expected);
        }
    }

    #[test]
    fn other_media_types_and_repeated_content_types_are_refused() {
        let form = "multipart/form-data; boundary=abc";
        let cases: [&[&str]; 6] =
            [&[], &["application/json"], &[form, form], &[""], &["multipart/mixed; boundary=abc"], &["multipärt; a"]];
        for values in cases {
            assert!(matches!(boundary_of(values), Err(MultipartError::MediaType(_))), "{values:?}");
        }
    }

    #[test]
    fn missing_or_invalid_boundary_is_malformed() {
        let long = "x".repeat(71);
        let cases = [
            "",
            "; boundary=",
            "; boundary=\"\"",
            "; boundary=\"a \"",
            "; boundary=a b",
            "; boundary=a; boundary=a",
            "; boundary=a*b",
        ];
        let cases = cases.map(str::to_owned).into_iter().chain([format!("; boundary={long}")]);
        for parameters in cases {
            let value = format!("multipart/form-data{parameters}");
            assert!(matches!(boundary_of(&[&value]), Err(MultipartError::Malformed(_))), "{value}");
        }
    }
}
