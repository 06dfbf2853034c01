//! Reads `Content-Disposition`: the name of a part and of its file, by RFC 7578 and by what clients really send.

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;

use super::error::MultipartError;
use super::parameters::{self, Parameters};

const ENCODING: MultipartError = MultipartError::Malformed("a Content-Disposition is not UTF-8");

/// Returns the name and the file name.
pub(super) fn names(headers: &HeaderMap) -> Result<(Option<String>, Option<String>), MultipartError> {
    let mut values = headers.get_all(CONTENT_DISPOSITION).iter();
    let Some(value) = values.next() else {
        return Ok((None, None));
    };
    if values.next().is_some() {
        return Err(MultipartError::Malformed("a part has two Content-Disposition headers"));
    }
    let value = std::str::from_utf8(value.as_bytes()).map_err(|_| ENCODING)?;
    let (kind, parameters) = parameters::split(value)?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err(MultipartError::Malformed("a Content-Disposition is not form-data"));
    }
    Ok((text(&parameters, "name", "name*")?, text(&parameters, "filename", "filename*")?))
}

/// RFC 7578 forbids the extended form, but clients send it (reqwest sends `name*`), and it is at least as good as the
/// plain one.
fn text(parameters: &Parameters, plain: &str, extended: &str) -> Result<Option<String>, MultipartError> {
    match parameters.get(extended) {
        Some(value) => decode(value).map(Some).ok_or(ENCODING),
        None => Ok(parameters.get(plain).map(str::to_owned)),
    }
}

/// Decodes the extended form of RFC 8187: `UTF-8'en'na%C3%AFve.bin`.
fn decode(value: &str) -> Option<String> {
    let (charset, value) = value.split_once('\'')?;
    let (_language, value) = value.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decoded.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?),
            b'!'..=b'~' => decoded.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn names_of(value: &[u8]) -> Result<(Option<String>, Option<String>), MultipartError> {
        names(&HeaderMap::from_iter([(CONTENT_DISPOSITION, HeaderValue::from_bytes(value).unwrap())]))
    }

    fn file_name(value: &str) -> Option<String> {
        names_of(format!("form-data; name=\"files\"; {value}").as_bytes()).ok()?.1
    }

    #[test]
    fn part_may_have_no_name() {
        assert_eq!(names(&HeaderMap::new()).unwrap(), (None, None));
        assert_eq!(names_of(b"form-data").unwrap(), (None, None));
        assert_eq!(names_of(b"Form-Data; name=\"\"").unwrap(), (Some(String::new()), None));
    }

    #[test]
    fn file_names_are_kept_as_browsers_write_them() {
        assert_eq!(file_name("filename=\"a b.bin\"").unwrap(), "a b.bin");
        assert_eq!(file_name("filename=a.bin").unwrap(), "a.bin");
        assert_eq!(file_name("filename=\"%22%0D%0A\\\".bin\"").unwrap(), "%22%0D%0A\".bin");
        assert_eq!(file_name("filename=\"Gruß 録音.bin\"").unwrap(), "Gruß 録音.bin");
    }

    #[test]
    fn extended_file_name_is_preferred_in_any_order() {
        assert_eq!(file_name("filename=\"a\"; filename*=UTF-8''na%C3%AFve").unwrap(), "naïve");
        assert_eq!(file_name("filename*=utf-8'en'%e9%8c%b2%22; filename=\"a\"").unwrap(), "録\"");
        assert_eq!(names_of(b"form-data; name*=utf-8''a%22b").unwrap().0.unwrap(), "a\"b");
    }

    #[test]
    fn invalid_extended_file_name_is_refused_and_not_replaced() {
        for value in ["a", "UTF-8'a", "latin1''a", "UTF-8''%", "UTF-8''%4", "UTF-8''%+1", "UTF-8''%FF", "UTF-8''ä"] {
            assert!(names_of(format!("form-data; filename=\"a\"; filename*={value}").as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn ambiguous_content_disposition_is_refused() {
        assert!(names_of(b"form-data; name=a; name=b").is_err());
        assert!(names_of(b"form-data; filename=\"a\"; FileName=\"b\"").is_err());
        assert!(names_of(b"form-data; name=\"\xff\"").is_err());
        assert!(names_of(b"attachment; name=\"a\"").is_err());
        let mut twice = HeaderMap::new();
        twice.append(CONTENT_DISPOSITION, HeaderValue::from_static("form-data; name=a"));
        twice.append(CONTENT_DISPOSITION, HeaderValue::from_static("form-data; name=a"));
        assert!(names(&twice).is_err());
    }
}
