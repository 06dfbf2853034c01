//! The lines of an export file.

use std::fmt;

use domain::{Bucket, Conversation, Levels, Line, Peaks, Recording, RecordingExtras, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use crate::ports::archive::Record;

/// The version of the format that is written. Version 1 has no levels; its plans are cut at one gain.
pub const FORMAT: u32 = 2;
/// The oldest version of the format that can be read.
const OLDEST: u32 = 1;
/// The longest line. The plan of the longest possible recording, 49 days, takes less than 32 MiB, so that everything
/// exported can be imported.
pub const MAX_LINE: u64 = 32 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    afterword_export: u32,
    /// The version of the program that wrote the file, for information only.
    version: String,
    created_at: Timestamp,
}

impl Header {
    pub fn new(version: &str, created_at: Timestamp) -> Self {
        Self { afterword_export: FORMAT, version: version.to_owned(), created_at }
    }

    pub fn is_known(&self) -> bool {
        (OLDEST..=FORMAT).contains(&self.afterword_export)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The records that follow belong to this user.
    User(Uid),
    Recording(Box<Known>),
    Line(Box<Line>),
    Conversation(Box<Conversation>),
    Usage(Bucket),
    End(End),
}

/// A recording and the data stored next to it.
#[derive(Serialize, Deserialize)]
pub struct Known {
    #[serde(flatten)]
    recording: Recording,
    /// The packed peaks as hex digits; likewise `levels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peaks: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    levels: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub users: u64,
    pub records: u64,
    /// The hash of all bytes before this line.
    pub sha256: String,
}

impl Entry {
    /// The entry of a record; `None` for an unreadable record, which is left out of the file.
    pub fn of(record: Record) -> Option<Self> {
        Some(match record {
            Record::Recording { recording, extras: RecordingExtras { peaks, levels } } => {
                Self::Recording(Box::new(Known {
                    recording: *recording,
                    peaks: peaks.map(|peaks| hex::encode(peaks.pack())),
                    levels: levels.map(|levels| hex::encode(levels.pack())),
                }))
            }
            Record::Line(line) => Self::Line(line),
            Record::Conversation(conversation) => Self::Conversation(conversation),
            Record::Usage(bucket) => Self::Usage(bucket),
            Record::Unreadable(_) => return None,
        })
    }
}

impl Known {
    pub fn record(self) -> Result<Record, String> {
        let peaks = self.peaks.map(|text| unpack(&text, Peaks::unpack)).transpose()?;
        let levels = self.levels.map(|text| unpack(&text, Levels::unpack)).transpose()?;
        Ok(Record::Recording { recording: Box::new(self.recording), extras: RecordingExtras { peaks, levels } })
    }
}

fn unpack<T, E: fmt::Display>(text: &str, unpack: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    unpack(&bytes).map_err(|error| error.to_string())
}

/// The number of exported records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub users: u64,
    pub recordings: u64,
    pub lines: u64,
    pub conversations: u64,
    pub usage_hours: u64,
    /// Documents that were left out because they cannot be read. The other numbers do not include them.
    pub unreadable: u64,
}

impl Tally {
    pub fn count(&mut self, record: &Record) {
        match record {
            Record::Recording { .. } => self.recordings += 1,
            Record::Line(_) => self.lines += 1,
            Record::Conversation(_) => self.conversations += 1,
            Record::Usage(_) => self.usage_hours += 1,
            Record::Unreadable(_) => self.unreadable += 1,
        }
    }

    pub fn records(&self) -> u64 {
        self.recordings + self.lines + self.conversations + self.usage_hours
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, recordings, lines, conversations, usage_hours, unreadable: _ } = self;
        write!(
            f,
            "users: {users}, conversations: {conversations}, lines: {lines}, recordings: {recordings}, hours of usage: \
             {usage_hours}"
        )
    }
}
