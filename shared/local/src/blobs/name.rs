//! Maps a blob's name to its path on disk, and refuses names that lead elsewhere.

use flow::ports::BlobName;
use flow::{Error, Kind, Result};

pub const UPLOADS: &str = "uploads";
/// The number of parts in `uploads/<uid>/<job>/<file>`.
const PARTS: usize = 4;
/// The longest name that common file systems accept (`NAME_MAX`).
const MAX_PART_BYTES: usize = 255;

/// A blob's path below the root, every part of it checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobPath(String);

impl BlobPath {
    pub fn of(operation: &'static str, name: &BlobName) -> Result<Self> {
        match why_not(name.as_str()) {
            None => Ok(Self(name.as_str().to_owned())),
            // The name is an attack or a bug of ours, so the error shows it with escapes.
            Some(why) => Err(Error::new(Kind::Invalid, operation, format!("{:?}", name.as_str())).because(why)),
        }
    }

    pub fn path(&self) -> &str {
        &self.0
    }
}

fn why_not(name: &str) -> Option<&'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() != PARTS || parts[0] != UPLOADS {
        return Some("a blob is named uploads/<uid>/<job>/<file>");
    }
    parts.iter().find_map(|part| match *part {
        "" => Some("a part of the name is empty"),
        "." | ".." => Some("a part of the name leads elsewhere"),
        part if part.contains(['\\', '\0']) => Some("the name has a character that is not allowed"),
        part if part.len() > MAX_PART_BYTES => Some("a part of the name is too long for a disk"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = format!("uploads/u/j/{}", "x".repeat(256));
        let bad = [
            "",
            "/",
            "uploads",
            "uploads/u/j",
            "uploads/u/j/",
            "uploads//j/f",
            "/uploads/u/j/f",
            "uploads/u/j/f/g",
            "uploads/../j/f",
            "uploads/u/./f",
            "uploads/u/j/..",
            "tmp/u/j/f",
            "uploads/u/j/a\\b",
            "uploads/u/j/a\0b",
            long.as_str(),
        ];
        for name in bad {
            let refused = BlobPath::of("blobs.read", &BlobName::listed(name.to_owned())).unwrap_err();
            assert_eq!(refused.kind, Kind::Invalid, "{name:?}");
        }
        assert!(BlobPath::of("blobs.read", &BlobName::listed("uploads/u/j/..0-a.bin".to_owned())).is_ok());
    }
}
