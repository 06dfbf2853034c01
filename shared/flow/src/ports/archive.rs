//! The archive port: the lasting data of users, exported from one store and imported into another. Jobs, devices and limits
//! belong to an installation and are not exported.

use std::fmt;

use async_trait::async_trait;
use domain::{Bucket, Conversation, ConversationId, Line, Recording, RecordingExtras, RecordingId, Timestamp, Uid};

use crate::error::Result;

/// A record of a user that is kept for ever.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A recording with its plan and the data stored next to it.
    Recording {
        recording: Box<Recording>,
        beside: RecordingExtras,
    },
    /// A line; it may be a stub.
    Line(Box<Line>),
    /// A conversation; it may be merged into another one or deleted.
    Conversation(Box<Conversation>),
    Usage(Bucket),
    /// A stored document that cannot be read. It is reported, so that nothing is left out silently, but never written.
    Unreadable(Place),
}

/// The position of a record among those of its user. Recordings come first, so that the same audio is not taken for new
/// while an import is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Recording(RecordingId),
    Line(RecordingId, u32),
    Conversation(ConversationId),
    Usage(Timestamp),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recording(id) => write!(f, "recording {id}"),
            Self::Line(recording, start_ms) => write!(f, "line {recording}-{start_ms}"),
            Self::Conversation(id) => write!(f, "conversation {id}"),
            Self::Usage(hour) => write!(f, "usage of {hour}"),
        }
    }
}

impl Record {
    pub fn place(&self) -> Place {
        match self {
            Self::Recording { recording, .. } => Place::Recording(recording.id),
            Self::Line(line) => Place::Line(line.recording, line.start_ms),
            Self::Conversation(conversation) => Place::Conversation(conversation.id),
            Self::Usage(bucket) => Place::Usage(bucket.hour),
            Self::Unreadable(place) => *place,
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
            (Self::Recording { recording: one, beside }, Self::Recording { recording: two, beside: other }) => {
                beside == other && **one == Recording { latest_job: one.latest_job, ..(**two).clone() }
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
    pub conflicts: Vec<Place>,
}

impl Imported {
    /// Counts a new record, given the existing one in its place. Returns true if the new record has to be written.
    pub fn note(&mut self, new: &Record, there: Option<&Record>) -> bool {
        match there {
            None => self.written += 1,
            Some(there) if there.agrees_with(new) => self.known += 1,
            Some(_) => self.conflicts.push(new.place()),
        }
        there.is_none()
    }
}

/// The most records in one import, so that a store can write them in one transaction.
pub const MAX_IMPORT: usize = 100;

/// A store whose lasting data can be exported and imported. No operation reads or writes jobs.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Users who have any data, each once, after the cursor. The order is up to the store.
    async fn users(&self, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>>;

    /// At most `limit` records of a user after the cursor, in the order of [`Place`]. The result is empty only at the
    /// end. A document that cannot be read is returned as [`Record::Unreadable`].
    async fn export(&self, uid: &Uid, after: Option<Place>, limit: usize) -> Result<Vec<Record>>;

    /// Writes the records that do not exist yet. An existing one is never changed; it is a conflict if it differs or
    /// cannot be read. A written deletion takes effect for jobs that work on the same audio. Atomic. Idempotent. More
    /// than [`MAX_IMPORT`] records, or records of another user, are [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn import(&self, uid: &Uid, records: &[Record]) -> Result<Imported>;
}

/// Whether these records may be imported for this user in one transaction.
pub fn fits(uid: &Uid, records: &[Record]) -> bool {
    let can_be_written = |record: &Record| !matches!(record, Record::Unreadable(_));
    let is_of_user = |record: &Record| record.uid().is_none_or(|of| of == uid);
    records.len() <= MAX_IMPORT && records.iter().all(|record| can_be_written(record) && is_of_user(record))
}
