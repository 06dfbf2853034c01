//! Where documents stand: the collections, and ids that Firestore takes.

use std::fmt::Write;

use domain::{ConversationId, DeviceId, JobId, RecordingId, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use sha2::{Digest, Sha256};

pub const JOBS: &str = "offline_sync_jobs";
pub const RECORDINGS: &str = "recordings";
/// Beside a recording: what of its plan would not fit.
pub const PARTS: &str = "parts";
pub const LINES: &str = "lines";
pub const CONVERSATIONS: &str = "conversations";
pub const TIMELINES: &str = "timelines";
pub const USAGE: &str = "usage_hours";
pub const DEVICES: &str = "devices";
/// How far listening to the files of jobs has come.
pub const CHECKPOINTS: &str = "checkpoints";
pub const TOKENS: &str = "push_tokens";

/// The path of a document, or of what collections stand under, below the database's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    pub const ROOT: Self = Self(String::new());

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where a document that was read stands.
    pub fn of(document: &Document) -> Self {
        Self::named(&document.name)
    }

    /// The place that a document's whole name tells.
    pub fn named(name: &str) -> Self {
        Self(name.split_once("/documents/").map_or("", |(_, path)| path).to_owned())
    }

    /// The last part but one.
    pub fn collection(&self) -> &str {
        self.0.rsplit('/').nth(1).unwrap_or_default()
    }

    pub fn job(id: JobId) -> Self {
        Self(format!("{JOBS}/{id}"))
    }

    /// Not under the job: nothing that stands under a document is deleted with it.
    pub fn checkpoint(id: JobId, index: usize) -> Self {
        Self(format!("{CHECKPOINTS}/{id}-{index}"))
    }

    pub fn user(uid: &Uid) -> Self {
        let part = uid.path_part();
        // Firestore keeps `__…__` for itself. No part that is written out holds an escaped underscore.
        let reserved = part.starts_with("__") && part.ends_with("__");
        Self(if reserved { format!("users/%5F{}", &part[1..]) } else { format!("users/{part}") })
    }

    /// No user has an id that is escaped so.
    pub fn nobody() -> Self {
        Self("users/%5Fnobody".to_owned())
    }

    pub fn recording(uid: &Uid, id: RecordingId) -> Self {
        Self::user(uid).child(RECORDINGS, &id.to_string())
    }

    /// Where no document stands: behind every recording of the user, before those of the next one. Ids are hex digits.
    pub fn after_recordings(uid: &Uid) -> Self {
        Self::user(uid).child(RECORDINGS, "~")
    }

    /// A part of a recording's plan; the first stands in the recording's own document.
    pub fn plan_part(uid: &Uid, id: RecordingId, number: usize) -> Self {
        Self::recording(uid, id).child(PARTS, &format!("plan-{number}"))
    }

    /// Ids sort as lines of one moment do: by recording, then by start.
    pub fn line(uid: &Uid, recording: RecordingId, start_ms: u32) -> Self {
        Self::user(uid).child(LINES, &format!("{recording}-{start_ms:010}"))
    }

    pub fn conversation(uid: &Uid, id: ConversationId) -> Self {
        Self::user(uid).child(CONVERSATIONS, &id.to_string())
    }

    pub fn timeline(uid: &Uid, stream: &str) -> Self {
        Self::user(uid).child(TIMELINES, &escape(stream))
    }

    /// Ids sort as the hours do.
    pub fn usage(uid: &Uid, hour: Timestamp) -> Self {
        Self::user(uid).child(USAGE, &format!("{:014}", hour.millis().max(0)))
    }

    pub fn device(uid: &Uid, id: &DeviceId) -> Self {
        Self::user(uid).child(DEVICES, &escape(id.as_str()))
    }

    /// Tokens are secrets: no path may show one.
    pub fn token(token: &str) -> Self {
        Self(format!("{TOKENS}/{}", hex::encode(Sha256::digest(token))))
    }

    fn child(&self, collection: &str, id: &str) -> Self {
        Self(format!("{}/{collection}/{id}", self.0))
    }
}

/// One path part: letters, digits, `.` and `-` stand for themselves, every other byte is `%XX`. Injective. The names
/// that come here are of at most 200 bytes, and never `.` or `..`.
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
    fn users_get_ids_that_firestore_takes_and_never_share_one() {
        assert_eq!(user("ann"), "users/ann");
        assert_eq!(user("__ann__"), "users/%5F_ann__");
        assert_ne!(user("%5F_ann__"), user("__ann__"));
        assert_eq!(user("a.b c"), "users/a%2Eb%20c");
        assert_eq!(user("__"), "users/%5F_");
    }

    #[test]
    fn streams_and_devices_are_one_path_part() {
        let ann = Uid::new("ann").unwrap();
        assert_eq!(Path::timeline(&ann, "phone.__x/é").as_str(), "users/ann/timelines/phone.%5F%5Fx%2F%C3%A9");
        assert_eq!(Path::device(&ann, &DeviceId::new("__a__").unwrap()).as_str(), "users/ann/devices/%5F%5Fa%5F%5F");
    }

    #[test]
    fn ids_sort_as_what_they_name() {
        let ann = Uid::new("ann").unwrap();
        let line = |start| Path::line(&ann, "ab".repeat(16).parse().unwrap(), start);
        assert!(line(9) < line(10) && line(10) < line(u32::MAX));
        let hour = |secs| Path::usage(&ann, Timestamp::from_secs(secs));
        assert!(hour(0) < hour(3600) && hour(3600) < hour(3600 * 1_000_000));
        assert!(!Path::token("secret").as_str().contains("secret"));
    }
}
