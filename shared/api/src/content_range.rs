//! `Content-Range` of an upload, as the resumable protocol of Google Cloud Storage uses it.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};

/// What a request sends or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentRange {
    /// These bytes, the last one included; without the header, all bytes of the file.
    Bytes { first: u64, last: u64 },
    /// The client asks how many bytes have arrived.
    Ask,
}

impl ContentRange {
    /// Reads the range from the headers for a file of this size, or says why they cannot be right.
    pub fn of(headers: &HeaderMap, size: u64) -> Result<Self, &'static str> {
        let mut given = headers.get_all(CONTENT_RANGE).iter();
        let range = match (given.next(), given.next()) {
            (None, _) => Self::Bytes { first: 0, last: size.saturating_sub(1) },
            (Some(value), None) => Self::parse(value.to_str().map_err(|_| MALFORMED)?, size)?,
            (Some(_), Some(_)) => return Err("the header Content-Range stands twice"),
        };
        let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length != range.bytes()) {
            return Err("Content-Length and the range speak of different numbers of bytes");
        }
        Ok(range)
    }

    fn parse(text: &str, size: u64) -> Result<Self, &'static str> {
        let (unit, rest) = text.split_once(' ').ok_or(MALFORMED)?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return Err(MALFORMED);
        }
        let (range, total) = rest.trim().split_once('/').ok_or(MALFORMED)?;
        if total != "*" && number(total)? != size {
            return Err("the file was announced with another size");
        }
        if range == "*" {
            return Ok(Self::Ask);
        }
        let (first, last) = range.split_once('-').ok_or(MALFORMED)?;
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err("the range ends before it begins");
        }
        if last >= size {
            return Err("the range goes beyond the size that was announced");
        }
        Ok(Self::Bytes { first, last })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::Bytes { first, last } => last - first + 1,
            Self::Ask => 0,
        }
    }
}

const MALFORMED: &str = "the header Content-Range is not `bytes FIRST-LAST/SIZE` or `bytes */SIZE`";

/// Accepts digits only: `parse` would also take a sign.
fn number(text: &str) -> Result<u64, &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MALFORMED);
    }
    text.parse().map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(ranges: &[&str], length: Option<u64>) -> Result<ContentRange, &'static str> {
        let mut headers = HeaderMap::new();
        for range in ranges {
            headers.append(CONTENT_RANGE, HeaderValue::from_str(range).unwrap());
        }
        length.map(|length| headers.insert(CONTENT_LENGTH, length.into()));
        ContentRange::of(&headers, 100)
    }

    #[test]
    fn valid_ranges_are_parsed() {
        for (text, range) in [
            ("bytes 0-99/100", ContentRange::Bytes { first: 0, last: 99 }),
            ("bytes 7-7/*", ContentRange::Bytes { first: 7, last: 7 }),
            ("Bytes 7-8/100", ContentRange::Bytes { first: 7, last: 8 }),
            ("bytes */100", ContentRange::Ask),
            ("bytes */*", ContentRange::Ask),
        ] {
            assert_eq!(read(&[text], None), Ok(range), "{text}");
        }
        assert_eq!(read(&[], None), Ok(ContentRange::Bytes { first: 0, last: 99 }), "all of it in one request");
    }

    #[test]
    fn invalid_ranges_are_refused() {
        let bad = [
            "",
            "bytes",
            "bytes ",
            "bytes 0-99",
            "bytes -99/100",
            "bytes 0-/100",
            "bytes 9-8/100",
            "bytes 0-100/100",
            "bytes 0-9/99",
            "bytes */99",
            "bytes +0-9/100",
            "bytes 0-9/",
            "bytes 0-18446744073709551616/*",
            "bytes 99999999999999999999-1/100",
            "items 0-9/100",
            "bytes=0-9/100",
            "bytes 0-9/100, bytes 10-19/100",
        ];
        for text in bad {
            assert!(read(&[text], None).is_err(), "{text}");
        }
        assert!(read(&["bytes 0-9/100", "bytes 0-9/100"], None).is_err());
    }

    #[test]
    fn content_length_that_differs_from_the_range_is_refused() {
        assert!(read(&["bytes 0-9/100"], Some(10)).is_ok());
        assert!(read(&["bytes */100"], Some(0)).is_ok());
        assert!(read(&[], Some(100)).is_ok());
        for (ranges, length) in [(&["bytes 0-9/100"][..], 11), (&["bytes 0-9/100"], 0), (&["bytes */*"], 1), (&[], 99)]
        {
            assert!(read(ranges, Some(length)).is_err(), "{ranges:?} of {length}");
        }
    }
}
