//! The lasting data of a user as records: their order in an archive, and which of them an import writes.

use std::fmt;

use crate::conversation::Conversation;
use crate::id::{ConversationId, RecordingId, SegmentId, Uid};
use crate::invalid_write::InvalidWrite;
use crate::line::Line;
use crate::recording::Recording;
use crate::recording_extras::RecordingExtras;
use crate::time::Timestamp;
use crate::usage::Bucket;

/// A record of a user that is kept for ever.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A recording with its plan and the data stored next to it.
    Recording {
        recording: Box<Recording>,
        extras: RecordingExtras,
    },
    /// A line; it may be a stub.
    Line(Box<Line>),
    /// A conversation; it may be merged into another one or deleted.
    Conversation(Box<Conversation>),
    Usage(Bucket),
    /// A stored document that cannot be read. It is reported, so that nothing is left out silently, but never written.
    Unreadable(RecordKey),
}

/// The position of a record among those of its user. Recordings come first, so that the same audio is not taken for new
/// while an import is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKey {
    Recording(RecordingId),
    Line(RecordingId, u32),
    Conversation(ConversationId),
    Usage(Timestamp),
}

impl RecordKey {
    pub fn of_line(segment: SegmentId) -> Self {
        Self::Line(segment.recording, segment.start_ms)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recording(id) => write!(f, "recording {id}"),
            Self::Line(recording, start_ms) => write!(f, "line {recording}-{start_ms}"),
            Self::Conversation(id) => write!(f, "conversation {id}"),
            Self::Usage(hour) => write!(f, "usage of {hour}"),
        }
    }
}

impl From<(Recording, RecordingExtras)> for Record {
    fn from((recording, extras): (Recording, RecordingExtras)) -> Self {
        Self::Recording { recording: Box::new(recording), extras }
    }
}

impl From<Line> for Record {
    fn from(line: Line) -> Self {
        Self::Line(Box::new(line))
    }
}

impl From<Conversation> for Record {
    fn from(conversation: Conversation) -> Self {
        Self::Conversation(Box::new(conversation))
    }
}

impl From<Bucket> for Record {
    fn from(bucket: Bucket) -> Self {
        Self::Usage(bucket)
    }
}

impl Record {
    pub fn key(&self) -> RecordKey {
        match self {
            Self::Recording { recording, .. } => RecordKey::Recording(recording.id),
            Self::Line(line) => RecordKey::Line(line.recording, line.start_ms),
            Self::Conversation(conversation) => RecordKey::Conversation(conversation.id),
            Self::Usage(bucket) => RecordKey::Usage(bucket.hour),
            Self::Unreadable(key) => *key,
        }
    }

    /// The owner of the record, if the record itself contains it.
    pub fn uid(&self) -> Option<&Uid> {
        match self {
            Self::Recording { recording, .. } => Some(&recording.uid),
            Self::Line(line) => Some(&line.uid),
            Self::Conversation(conversation) => Some(&conversation.uid),
            Self::Usage(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether the two are equal, apart from the latest job of a recording, because jobs are not exported.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Recording { recording: one, extras }, Self::Recording { recording: two, extras: other }) => {
                extras == other && **one == Recording { latest_job: one.latest_job, ..(**two).clone() }
            }
            (one, two) => one == two,
        }
    }
}

/// The result of importing some records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Records that did not exist and were written.
    pub written: u64,
    /// Records that existed already and are equal.
    pub known: u64,
    /// Records that existed already, are different, and were left unchanged.
    pub conflicts: Vec<RecordKey>,
}

impl Imported {
    /// Counts a new record, given the existing one with the same key. Returns true if the new record has to be written.
    pub fn note(&mut self, new: &Record, there: Option<&Record>) -> bool {
        match there {
            None => self.written += 1,
            Some(there) if there.agrees_with(new) => self.known += 1,
            Some(_) => self.conflicts.push(new.key()),
        }
        there.is_none()
    }
}

/// The most records in one import, so that a store can write them in one transaction.
pub const MAX_IMPORT: usize = 100;

/// The records of one kind that are still to be exported, each kind after the record that was exported last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Recordings(Option<RecordingId>),
    Lines(Option<(RecordingId, u32)>),
    Conversations(Option<ConversationId>),
    Usage(Option<Timestamp>),
}

/// What is still to be exported after a record, in the order of [`RecordKey`].
pub fn parts_after(after: Option<RecordKey>) -> Vec<Part> {
    let all = [Part::Recordings(None), Part::Lines(None), Part::Conversations(None), Part::Usage(None)];
    let (begun, part) = match after {
        None => return all.to_vec(),
        Some(RecordKey::Recording(id)) => (0, Part::Recordings(Some(id))),
        Some(RecordKey::Line(recording, start_ms)) => (1, Part::Lines(Some((recording, start_ms)))),
        Some(RecordKey::Conversation(id)) => (2, Part::Conversations(Some(id))),
        Some(RecordKey::Usage(hour)) => (3, Part::Usage(Some(hour))),
    };
    std::iter::once(part).chain(all.into_iter().skip(begun + 1)).collect()
}

/// Refuses records that cannot be imported for this user in one transaction.
pub fn check(uid: &Uid, records: &[Record]) -> Result<(), InvalidWrite> {
    if records.iter().any(|record| matches!(record, Record::Unreadable(_))) {
        return Err(InvalidWrite::UnreadableRecord);
    }
    let is_of_user = |record: &Record| record.uid().is_none_or(|of| of == uid);
    let fits = records.len() <= MAX_IMPORT && records.iter().all(is_of_user);
    if fits { Ok(()) } else { Err(InvalidWrite::Records) }
}

#[cfg(test)]
mod tests;
