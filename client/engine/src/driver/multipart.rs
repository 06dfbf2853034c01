//! The body of a batch: `multipart/form-data` with a digest for each file.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::source::Segment;
use crate::chunk::Chunk;

/// A boundary that no recording contains but by a chance of one in 2^128.
pub fn boundary(random: impl Fn() -> u64) -> String {
    format!("afterword{:016x}{:016x}", random(), random())
}

/// The pieces of the body, for files at these paths.
pub fn segments(batch: &[(Chunk, PathBuf)], boundary: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    for (chunk, path) in batch {
        segments.push(Segment::Bytes(head(chunk, boundary).into()));
        segments.push(Segment::File { path: path.clone(), offset: 0, length: chunk.bytes });
        segments.push(Segment::Bytes("\r\n".into()));
    }
    segments.push(Segment::Bytes(format!("--{boundary}--\r\n").into()));
    segments
}

fn head(chunk: &Chunk, boundary: &str) -> String {
    let name = file_name(&chunk.name);
    let mut head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; {name}\r\n\
         Content-Type: application/octet-stream\r\n"
    );
    if let Some(sha256) = chunk.sha256 {
        head.push_str(&format!("Content-Digest: sha-256=:{}:\r\n", BASE64_STANDARD.encode(sha256.0)));
    }
    if chunk.sends_captured_at {
        head.push_str(&format!("X-Captured-At: {}\r\n", chunk.captured_at));
    }
    head.push_str("\r\n");
    head
}

/// The parameter with the file name: in the extended form of RFC 8187 if the plain one could be misread.
fn file_name(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_. ()+,@=".contains(&byte);
    if name.bytes().all(is_plain) {
        return format!("filename=\"{name}\"");
    }
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let encoded: String = name
        .bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("filename*=UTF-8''{encoded}")
}

/// A value in a query.
pub fn query_value(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::chunk;

    #[test]
    fn r43_time_is_sent_beside_a_name_without_one_and_the_name_stays() {
        let sound = Chunk { name: "Meeting \"é\".m4a".to_owned(), sends_captured_at: true, ..chunk(1) };
        let head = head(&sound, "b");
        assert!(head.contains("filename*=UTF-8''Meeting%20%22%C3%A9%22.m4a\r\n"), "{head}");
        assert!(head.contains("\r\nX-Captured-At: 2025-05-26T22:53:21.000Z\r\n"), "{head}");
        let frames = self::head(&chunk(1), "b");
        assert!(!frames.contains("X-Captured-At"), "{frames}");
        assert!(frames.contains("filename=\"audio_phone_opus_16000_1_fs160_1748300001.bin\"\r\n"), "{frames}");
        assert!(frames.contains("Content-Digest: sha-256=:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=:\r\n"));
    }
}
