//! The paths of documents: the collections, and ids that Firestore accepts.

use std::fmt::Write;

use domain::{ConversationId, DeviceId, JobId, RecordingId, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use sha2::{Digest, Sha256};

pub const JOBS: &str = "offline_sync_jobs";
pub const RECORDINGS: &str = "recordings";
/// Parts of a plan that do not fit into the recording's document.
pub const PARTS: &str = "parts";
pub const LINES: &str = "lines";
pub const CONVERSATIONS: &str = "conversations";
pub const TIMELINES: &str = "timelines";
pub const USAGE: &str = "usage_hours";
pub const DEVICES: &str = "devices";
/// The progress of the first pass over the files of jobs.
pub const CHECKPOINTS: &str = "checkpoints";
pub const TOKENS: &str = "push_tokens";

/// The path of a document, or of a parent of collections, below the database's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    pub const ROOT: Self = Self(String::new());

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a document that was read.
    pub fn of(document: &Document) -> Self {
        Self::named(&document.name)
    }

    /// The path in a document's full name.
    pub fn named(name: &str) -> Self {
        Self(name.split_once("/documents/").map_or("", |(_, path)| path).to_owned())
    }

    /// The name of the document's collection: the last part but one of the path.
    pub fn collection(&self) -> &str {
        self.0.rsplit('/').nth(1).unwrap_or_default()
    }

    pub fn job(id: JobId) -> Self {
        Self(format!("{JOBS}/{id}"))
    }

    /// Not below the job: deleting a document does not delete the documents below it.
    pub fn checkpoint(id: JobId, index: usize) -> Self {
        Self(format!("{CHECKPOINTS}/{id}-{index}"))
    }

    pub fn user(uid: &Uid) -> Self {
        let part = uid.path_part();
        // Firestore reserves `__…__`. An escaped underscore is always `%5F`, so no other user's id becomes the
        // same.
        let reserved = part.starts_with("__") && part.ends_with("__");
        Self(if reserved { format!("users/%5F{}", &part[1..]) } else { format!("users/{part}") })
    }

    /// A user that does not exist: no user's id is escaped like this.
    pub fn nobody() -> Self {
        Self("users/%5Fnobody".to_owned())
    }

    pub fn recording(uid: &Uid, id: RecordingId) -> Self {
        Self::user(uid).child(RECORDINGS, &id.to_string())
    }

    /// A path without a document, after all recordings of this user and before those of the next one.
    /// Recording ids are hex digits.
    pub fn after_recordings(uid: &Uid) -> Self {
        Self::user(uid).child(RECORDINGS, "~")
    }

    /// A part of a recording's plan; the first part is in the recording's own document.
    pub fn plan_part(uid: &Uid, id: RecordingId, number: usize) -> Self {
        Self::recording(uid, id).child(PARTS, &format!("plan-{number}"))
    }

    /// Ids sort like lines with the same start time: by recording, then by offset.
    pub fn line(uid: &Uid, recording: RecordingId, start_ms: u32) -> Self {
        Self::user(uid).child(LINES, &format!("{recording}-{start_ms:010}"))
    }

    pub fn conversation(uid: &Uid, id: ConversationId) -> Self {
        Self::user(uid).child(CONVERSATIONS, &id.to_string())
    }

    pub fn timeline(uid: &Uid, stream: &str) -> Self {
        Self::user(uid).child(TIMELINES, &escape(stream))
    }

    /// Ids sort like the hours.
    pub fn usage(uid: &Uid, hour: Timestamp) -> Self {
        Self::user(uid).child(USAGE, &format!("{:014}", hour.millis().max(0)))
    }

    pub fn device(uid: &Uid, id: &DeviceId) -> Self {
        Self::user(uid).child(DEVICES, &escape(id.as_str()))
    }

    /// Tokens are secrets, so the path contains only a hash.
    pub fn token(token: &str) -> Self {
        Self(format!("{TOKENS}/{}", hex::encode(Sha256::digest(token))))
    }

    fn child(&self, collection: &str, id: &str) -> Self {
        Self(format!("{}/{collection}/{id}", self.0))
    }
}

/// Escapes one part of a path: letters, digits, `.` and `-` stay, every other byte becomes `%XX`, so
/// that no two texts become the same. The texts have at most 200 bytes and are never `.` or `..`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> String {
        Path::user(&Uid::new(text).unwrap()).0
    }

    #[test]
    fn user_ids_are_valid_in_firestore_and_distinct() {
        assert_eq!(user("ann"), "users/ann");
        assert_eq!(user("__ann__"), "users/%5F_ann__");
        assert_ne!(user("%5F_ann__"), user("__ann__"));
        assert_eq!(user("a.b c"), "users/a%2Eb%20c");
        assert_eq!(user("__"), "users/%5F_");
    }

    #[test]
    fn stream_and_device_ids_are_one_path_part() {
        let ann = Uid::new("ann").unwrap();
        assert_eq!(Path::timeline(&ann, "phone.__x/é").as_str(), "users/ann/timelines/phone.%5F%5Fx%2F%C3%A9");
        assert_eq!(Path::device(&ann, &DeviceId::new("__a__").unwrap()).as_str(), "users/ann/devices/%5F%5Fa%5F%5F");
    }

    #[test]
    fn ids_sort_like_what_they_name() {
        let ann = Uid::new("ann").unwrap();
        let line = |start| Path::line(&ann, "ab".repeat(16).parse().unwrap(), start);
        assert!(line(9) < line(10) && line(10) < line(u32::MAX));
        let hour = |secs| Path::usage(&ann, Timestamp::from_secs(secs));
        assert!(hour(0) < hour(3600) && hour(3600) < hour(3600 * 1_000_000));
        assert!(!Path::token("secret").as_str().contains("secret"));
    }
}
