//! What an operator is shown about a certificate: when it expires, whether it is self-signed, for which names it is. And
//! whether a file holds a certificate at all.
//!
//! Nobody is trusted by this: clients check certificates, the server only displays its own.

use domain::Timestamp;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::sign::CertifiedKey;

/// The DER tags (X.690) of a certificate's fields that are read (RFC 5280, 4.1).
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[derive(Clone, Debug)]
pub struct Certificate {
    /// `None` if the certificate cannot be parsed.
    pub expires: Option<Timestamp>,
    /// Whether it is self-signed: clients trust it only if they are given the certificate itself.
    pub self_signed: bool,
    chain: Vec<u8>,
}

impl Certificate {
    pub(super) fn of(pair: &CertifiedKey) -> Self {
        let der = pair.cert.first().map(|certificate| certificate.as_ref()).unwrap_or_default();
        let read = read(der);
        Self {
            expires: read.as_ref().and_then(|read| read.expires),
            self_signed: read.is_some_and(|read| read.self_signed),
            chain: der.to_vec(),
        }
    }

    /// Whether the certificate is valid for this host (a name or an address).
    pub fn is_for(&self, host: &str) -> bool {
        let der = self.chain.as_slice().into();
        let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(&der), ServerName::try_from(host)) else {
            return false;
        };
        verify_server_name(&parsed, &name).is_ok()
    }
}

/// Whether this is a whole certificate, with nothing after it, and what is read of it can be read. The content of its other
/// fields is not looked at, so damage there is found by clients only.
pub(super) fn is_certificate(der: &[u8]) -> bool {
    let ends = |rest: &[u8]| rest.is_empty().then_some(());
    let is_whole = || {
        let (outer, certificate, after) = element(der)?;
        ends(after)?;
        let (content, _, rest) = element(certificate)?;
        let (algorithm, _, rest) = element(rest)?;
        let (signature, _, rest) = element(rest)?;
        ends(rest)?;
        Some((outer, content, algorithm, signature) == (SEQUENCE, SEQUENCE, SEQUENCE, BIT_STRING))
    };
    is_whole() == Some(true) && read(der).is_some_and(|read| read.expires.is_some())
}

struct Read {
    expires: Option<Timestamp>,
    self_signed: bool,
}

/// `Certificate { tbs { [0] version?, serial, algorithm, issuer, validity { from, to }, subject, … } … }`
fn read(der: &[u8]) -> Option<Read> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    let mut next = || {
        let (tag, value, after) = element(rest)?;
        rest = after;
        Some((tag, value))
    };
    if next()?.0 == VERSION {
        next()?;
    }
    next()?;
    let (issuer, validity, subject) = (next()?, next()?, next()?);
    let (_, _, to) = element(validity.1)?;
    let (tag, time, _) = element(to)?;
    let wellformed = issuer.0 == SEQUENCE && subject.0 == SEQUENCE;
    wellformed.then(|| Read { expires: parse_time(tag, time), self_signed: issuer.1 == subject.1 })
}

/// The first element: its tag, its value, and the bytes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // Lengths of up to three bytes are read: 16 MiB is far beyond any certificate file that is read. DER has one form of
        // each length, the shortest one.
        let length = (digits.len() <= 3).then(|| digits.iter().fold(0, |n, digit| n << 8 | usize::from(*digit)))?;
        let is_shortest = length >= 0x80 && digits.first() != Some(&0);
        is_shortest.then_some((length, rest))?
    };
    let (value, after) = rest.split_at_checked(length)?;
    Some((tag, value, after))
}

/// `YYMMDDhhmmssZ` with years from 1950 to 2049, or `YYYYMMDDhhmmssZ`.
fn parse_time(tag: u8, time: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(time).ok().filter(|text| text.is_ascii())?;
    let text = match tag {
        UTC_TIME if text >= "50" => format!("19{text}"),
        UTC_TIME => format!("20{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, tls};
    use super::*;

    #[test]
    fn expiry_self_signature_and_names_of_a_certificate_are_read() {
        let server = tls("server").certificate();
        assert_eq!(server.expires.unwrap().to_string(), "2120-01-01T00:00:00.000Z");
        assert!(!server.self_signed && server.is_for("127.0.0.1") && server.is_for("localhost"));
        assert!(!server.is_for("127.0.0.2") && !server.is_for("recorder.example") && !server.is_for("not a name"));
        let expired = tls("expired").certificate();
        assert_eq!(expired.expires.unwrap().to_string(), "2020-02-01T00:00:00.000Z");
        assert!(tls("selfsigned").certificate().self_signed);
    }

    #[test]
    fn two_digit_years_are_between_1950_and_2049() {
        let parsed = |tag, text: &str| parse_time(tag, text.as_bytes()).map(|at| at.to_string());
        assert_eq!(parsed(UTC_TIME, "491231235959Z").unwrap(), "2049-12-31T23:59:59.000Z");
        assert_eq!(parsed(UTC_TIME, "500101000000Z").unwrap(), "1950-01-01T00:00:00.000Z");
        assert_eq!(parsed(GENERALIZED_TIME, "20500101000000Z").unwrap(), "2050-01-01T00:00:00.000Z");
        // RFC 5280 has this for a certificate that does not expire.
        assert_eq!(parsed(GENERALIZED_TIME, "99991231235959Z").unwrap(), "9999-12-31T23:59:59.000Z");
        assert_eq!(parsed(GENERALIZED_TIME, "2050"), None);
        assert_eq!(parsed(SEQUENCE, "20500101000000Z"), None);
    }

    #[test]
    fn truncated_certificate_is_not_read_and_does_no_harm() {
        let pair = super::super::files::read(&file("server.pem"), &file("server-key.pem")).unwrap();
        let der = pair.cert[0].to_vec();
        assert!(read(&der).is_some());
        for end in 0..der.len() {
            assert!(read(&der[..end]).is_none(), "{end} bytes");
            assert!(!is_certificate(&der[..end]), "{end} bytes");
        }
        assert!(is_certificate(&der));
        assert!(!is_certificate(&[&der[..], &[0]].concat()), "something comes after it");
    }

    #[test]
    fn der_that_is_not_whole_is_no_certificate() {
        let pair = super::super::files::read(&file("server.pem"), &file("server-key.pem")).unwrap();
        let der = pair.cert[0].to_vec();
        // A SEQUENCE with a length of two bytes, and the same for the part that is signed.
        assert_eq!((der[..2].to_vec(), der[4..6].to_vec()), (vec![SEQUENCE, 0x82], vec![SEQUENCE, 0x82]));
        for (at, byte) in [(0, 0x31), (1, 0x80), (1, 0x81), (1, 0x83), (2, 0xff), (4, 0x31), (5, 0x80), (7, der[7] ^ 1)]
        {
            let mut damaged = der.clone();
            damaged[at] = byte;
            assert!(!is_certificate(&damaged), "byte {at} is {byte:#x}");
        }
        for text in [&b""[..], b"\0\0\0", b"\x30\0", b"\x30\x82\x01", b"\x30\x80\0\0", b"\x30\x81\x01\0"] {
            assert!(!is_certificate(text), "{text:?}");
        }
    }
}
