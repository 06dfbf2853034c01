//! Parsing of queries and multipart forms.

use bytes::Bytes;

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub file_name: Option<String>,
    pub kind: Option<String>,
    pub content: Bytes,
}

impl Field {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap_or("")
    }
}

pub(super) fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex: Vec<u8> = if byte == b'%' { bytes.by_ref().take(2).collect() } else { Vec::new() };
        let code = std::str::from_utf8(&hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The fields of a form; empty if the body is not a form.
pub(super) fn read(kind: &str, body: &[u8]) -> Vec<Field> {
    let Some((_, boundary)) = kind.split_once("multipart/form-data; boundary=") else { return Vec::new() };
    let boundary = format!("--{}", boundary.trim_matches('"'));
    parts(body, boundary.as_bytes()).into_iter().filter_map(field).collect()
}

/// The bytes between the boundaries, without the line breaks that belong to the boundaries.
fn parts<'b>(body: &'b [u8], boundary: &[u8]) -> Vec<&'b [u8]> {
    let places: Vec<usize> = (0..body.len()).filter(|&at| body[at..].starts_with(boundary)).collect();
    let part = |pair: &[usize]| body.get(pair[0] + boundary.len() + 2..pair[1].checked_sub(2)?);
    places.windows(2).filter_map(part).collect()
}

fn field(part: &[u8]) -> Option<Field> {
    let split = part.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&part[..split]).into_owned();
    let line = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let about = line("content-disposition")?;
    let named = |key: &str| {
        let (_, rest) = about.split_once(&format!("; {key}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let content = Bytes::copy_from_slice(&part[split + 4..]);
    Some(Field { name: named("name")?, file_name: named("filename"), kind: line("content-type"), content })
}
