//! What outlives jobs, whole: taken out of one store and put into another, so that whoever outgrows a machine loses
//! nothing. Jobs, devices and limits belong to their place and stay there.

use std::fmt;

use async_trait::async_trait;
use domain::{Beside, Bucket, Conversation, ConversationId, Line, Recording, RecordingId, Timestamp, Uid};

use crate::error::Result;

/// Something of a user that is kept for ever.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// With its plan, and what is kept beside it.
    Recording {
        recording: Box<Recording>,
        beside: Beside,
    },
    /// Stubs included.
    Line(Box<Line>),
    /// Merged-away and deleted ones included.
    Conversation(Box<Conversation>),
    Usage(Bucket),
    /// Something stands in this place that cannot be read: told, so that nothing is left out silently; never written.
    Unreadable(Place),
}

/// Where a record stands among those of its user. Recordings come first: while an import is under way, the same audio is
/// not taken for new.
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

    /// Whose it is, where the record itself says so.
    pub fn uid(&self) -> Option<&Uid> {
        match self {
            Self::Recording { recording, .. } => Some(&recording.uid),
            Self::Line(line) => Some(&line.uid),
            Self::Conversation(conversation) => Some(&conversation.uid),
            Self::Usage(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether the two are the same but for the job that took the recording last: jobs belong to their place.
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Recording { recording: one, beside }, Self::Recording { recording: two, beside: other }) => {
                beside == other && **one == Recording { latest_job: one.latest_job, ..(**two).clone() }
            }
            (one, two) => one == two,
        }
    }
}

/// What an import of some records came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Not there before.
    pub written: u64,
    /// There before, and the same.
    pub known: u64,
    /// There before, and different: left as they stand.
    pub conflicts: Vec<Place>,
}

impl Imported {
    /// Counts a record that is in the way of `new`, or its absence. True: it is to be written.
    pub fn note(&mut self, new: &Record, there: Option<&Record>) -> bool {
        match there {
            None => self.written += 1,
            Some(there) if there.agrees_with(new) => self.known += 1,
            Some(_) => self.conflicts.push(new.place()),
        }
        there.is_none()
    }
}

/// The most records in one import, so that a store can write them at one moment.
pub const MAX_IMPORT: usize = 100;

/// A store whose lasting part can be taken out and put in. No operation looks at jobs.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// Users who have anything, each once, in an order of the store's own, after the cursor.
    async fn users(&self, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>>;

    /// What a user has, in the order of [`Place`], after the cursor: at most `limit`, and none only at the end. What
    /// cannot be read is [`Record::Unreadable`]: it stops nothing, and nothing is left out silently.
    async fn export(&self, uid: &Uid, after: Option<Place>, limit: usize) -> Result<Vec<Record>>;

    /// Writes what is not there yet. Create-only: what is there stays as it stands, and is a conflict when it differs, or
    /// cannot be read.
    /// A deletion that is written is one to whoever works on the same audio. Atomic. Idempotent. More than
    /// [`MAX_IMPORT`] records, or records of another user, are [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn import(&self, uid: &Uid, records: &[Record]) -> Result<Imported>;
}

/// Whether these may be imported for this user in one step.
pub fn fits(uid: &Uid, records: &[Record]) -> bool {
    let can_be_written = |record: &Record| !matches!(record, Record::Unreadable(_));
    let are_his = |record: &Record| record.uid().is_none_or(|of| of == uid);
    records.len() <= MAX_IMPORT && records.iter().all(|record| can_be_written(record) && are_his(record))
}
