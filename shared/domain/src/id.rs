//! Identifiers of users, jobs, recordings, segments, conversations and devices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The longest uid, as Firebase allows it.
pub const MAX_UID_BYTES: usize = 128;
/// The longest encoded uid that is used as a folder name; for a longer one the name is its hash.
const MAX_PATH_PART_BYTES: usize = 200;
/// The longest device id.
pub const MAX_DEVICE_ID_BYTES: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub String);

/// A user id: the `sub` claim of the identity provider, unchanged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(String);

impl Uid {
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        bounded_name(&text, "uid", MAX_UID_BYTES)?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The uid as one path part: letters, digits, `-` and `_` stay as they are, every other byte becomes `%XX`. The
    /// encoding is injective, so that two users never share a folder.
    pub fn path_part(&self) -> String {
        use fmt::Write;
        let mut out = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                out.push(byte as char);
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        // File systems allow 255 bytes. An encoded uid never contains `~`, so that a hash cannot collide with one.
        if out.len() > MAX_PATH_PART_BYTES { format!("~{}", hex::encode(Sha256::digest(&self.0))) } else { out }
    }
}

fn bounded_name(text: &str, what: &str, max: usize) -> Result<(), InvalidId> {
    if text.is_empty() || text.len() > max {
        return Err(InvalidId(format!("a {what} has 1 to {max} bytes, this one has {}", text.len())));
    }
    if text.chars().any(|c| c.is_control() || c == '/') || text == "." || text == ".." {
        return Err(InvalidId(format!("a {what} has no control characters and no `/`")));
    }
    Ok(())
}

/// A push target of a user, with an id that the app chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

impl DeviceId {
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        bounded_name(&text, "device id", MAX_DEVICE_ID_BYTES)?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($id:ident) => {
        impl TryFrom<String> for $id {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.0
            }
        }
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_id!(Uid);
text_id!(DeviceId);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $id(pub Uuid);

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $id {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form is accepted, because ids are written in that form.
                let wrong = || InvalidId(format!("`{}` is not a UUID", text.chars().take(64).collect::<String>()));
                let id = Uuid::try_parse(text).map_err(|_| wrong())?;
                // Upper case is accepted too: some apps write conversation ids like that.
                if text.len() == 36 { Ok(Self(id)) } else { Err(wrong()) }
            }
        }
    };
}
uuid_id!(
    /// The id of a job: a random (v4) UUID, because sequential ids slow stores down.
    JobId
);
uuid_id!(
    /// The id of a conversation of one user: derived from the segment that started it, or chosen by the app.
    ConversationId
);

/// The id of a recording: a hash over uid, file name and content, so that the same audio always has the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordingId([u8; 16]);

impl RecordingId {
    pub fn derive(uid: &Uid, name: &str, sha256: &Sha256Hex) -> Self {
        let mut hash = Sha256::new();
        // Each part is preceded by its length, so that two different triples never give the same bytes.
        for part in [uid.as_str().as_bytes(), name.as_bytes(), &sha256.0[..]] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The inverse of [`bytes`](Self::bytes).
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// The SHA-256 of a file's bytes, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(pub [u8; 32]);

macro_rules! hex_id {
    ($id:ident, $bytes:literal) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $id {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| InvalidId(format!("expected {} hex digits", 2 * $bytes)))?;
                Ok(Self(bytes))
            }
        }
        impl TryFrom<String> for $id {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.to_string()
            }
        }
    };
}
hex_id!(RecordingId, 16);
hex_id!(Sha256Hex, 32);

/// The id of a segment: a stretch of speech in a recording, and the unit that is transcribed, placed and billed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    pub recording: RecordingId,
    /// The offset in the recording. Two segments of one recording never start at the same offset.
    pub start_ms: u32,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.recording, self.start_ms)
    }
}

/// Identifies one delivery of a task, so that a claim whose response was lost can be recognised when it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub Uuid);

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::new(text).unwrap()
    }

    #[test]
    fn recording_id_depends_on_user_name_and_bytes() {
        let sha = Sha256Hex([7; 32]);
        let one = RecordingId::derive(&uid("a"), "x_1.bin", &sha);
        assert_eq!(one, RecordingId::derive(&uid("a"), "x_1.bin", &sha));
        assert_ne!(one, RecordingId::derive(&uid("b"), "x_1.bin", &sha));
        assert_ne!(one, RecordingId::derive(&uid("a"), "x_2.bin", &sha));
        assert_ne!(one, RecordingId::derive(&uid("a"), "x_1.bin", &Sha256Hex([8; 32])));
    }

    #[test]
    fn path_parts_of_different_users_differ_and_contain_no_special_characters() {
        assert_eq!(uid("..a b\\").path_part(), "%2E%2Ea%20b%5C");
        assert_eq!(uid("a.b").path_part(), "a%2Eb");
        assert_ne!(uid("a%2Eb").path_part(), uid("a.b").path_part());
        let long = uid(&"é".repeat(60)).path_part();
        assert!(long.starts_with('~') && long.len() == 65, "{long}");
    }

    #[test]
    fn ids_are_parsed_only_in_the_form_they_are_written() {
        assert!("6f0c0000-0000-4000-8000-000000000000".parse::<JobId>().is_ok());
        assert!("6f0c0000000040008000000000000000".parse::<JobId>().is_err());
        assert!(Uid::new("").is_err());
        assert!(Uid::new("a/b").is_err());
        assert!(Uid::new("x".repeat(129)).is_err());
    }
}
