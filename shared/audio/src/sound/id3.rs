//! Recognises tags: ID3 at the start of a file, and the tags at its end.

pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(bytes, [b'I', b'D', b'3', 2..=4, 0, _, a, b, c, d, ..] if (a | b | c | d) & 0x80 == 0)
}

/// Whether these bytes are nothing but tags at the end of a file: APE, then ID3v1.
pub(super) fn ends_file(rest: &[u8]) -> bool {
    const ID3V1: usize = 128;
    const APE_HEADER: usize = 32;
    let rest = match rest.split_first_chunk::<16>() {
        // The size does not include the header.
        Some((&[b'A', b'P', b'E', b'T', b'A', b'G', b'E', b'X', _, _, _, _, a, b, c, d], _)) => {
            let size = u32::from_le_bytes([a, b, c, d]) as usize;
            rest.get(APE_HEADER.saturating_add(size)..)
        }
        _ => Some(rest),
    };
    rest.is_some_and(|rest| rest.is_empty() || rest.len() == ID3V1 && rest.starts_with(b"TAG"))
}
