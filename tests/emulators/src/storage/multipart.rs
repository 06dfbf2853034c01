//! `multipart/related` as uploads send it: metadata, media, and a checksum at the end.

/// The bodies of the parts; `None` if the message is not of this kind.
pub fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let parameters = content_type.strip_prefix("multipart/related")?;
    let boundary = parameters.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let (open, between) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut rest = &body[find(body, open.as_bytes())? + open.len()..];
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let start = find(rest, b"\r\n\r\n")? + 4;
        let end = start + find(&rest[start..], between.as_bytes())?;
        parts.push(&rest[start..end]);
        rest = &rest[end + between.len()..];
    }
    Some(parts)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_extracted_completely() {
        let body = b"--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\nA: b\r\n\r\nso\r\n--\r\nund\r\n--x\r\nA: b\r\n\r\n\r\n--x--\r\n";
        assert_eq!(parts("multipart/related; boundary=x", body).unwrap(), [&b"{}"[..], b"so\r\n--\r\nund", b""]);
        assert_eq!(parts("multipart/related; boundary=y", body), None);
        assert_eq!(parts("text/plain", body), None);
    }
}
