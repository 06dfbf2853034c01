//! A chunk: one recording on this device, as its row in the index describes it.

use std::fmt;
use std::str::FromStr;

use domain::{Blame, FrameFormat, JobId, Sha256Hex, Timestamp, Uid};
use serde::{Deserialize, Serialize};

/// The number of a chunk in the index of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkId(pub i64);

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

macro_rules! states {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The state of a chunk.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum State { $($(#[$doc])* $variant,)* }

        impl State {
            /// Every state.
            pub const ALL: &'static [State] = &[$(State::$variant,)*];

            /// The name in the index and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(State::$variant => $name,)* }
            }
        }
    };
}

states! {
    /// Its frames are being written.
    Recording = "recording",
    /// It is durable here and waits to be uploaded.
    Pending = "pending",
    /// The server has it in a job that is not over. This is no confirmation.
    Uploaded = "uploaded",
    /// The job is over and this file's own outcome allows its deletion.
    Synced = "synced",
    /// The job is over, but only part of the recording could be read. The file is kept.
    Kept = "kept",
    /// There is no such file any more.
    Missing = "missing",
    /// The server takes no recording of this age.
    TooOld = "too_old",
    /// The server will never take this file.
    Rejected = "rejected",
    /// Nothing in the file can be decoded.
    Unreadable = "unreadable",
    /// Its job was cancelled, or its language is not spoken there. The user decides.
    Held = "held",
}

impl State {
    /// Whether the engine still has something to do for the chunk.
    pub const fn is_open(self) -> bool {
        matches!(self, State::Recording | State::Pending | State::Uploaded)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = State::ALL.iter().copied().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is not a state of a chunk"))
    }
}

/// Why the last attempt for a chunk did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The code of the API, or one of the engine's own, which begin with `local_`.
    pub code: String,
    /// Whom the server blames; `None` if the server said nothing.
    pub blame: Option<Blame>,
    /// The server's sentence, cut to a bounded length; empty if there was none.
    pub detail: String,
}

/// The longest detail that is kept of an error.
const MAX_DETAIL_CHARS: usize = 300;

impl LastError {
    /// An error with a bounded detail.
    pub fn new(code: impl Into<String>, blame: Option<Blame>, detail: &str) -> Self {
        let code: String = code.into();
        let code = code.chars().take(64).collect();
        Self { code, blame, detail: detail.chars().take(MAX_DETAIL_CHARS).collect() }
    }

    /// Whether the recording itself is to blame.
    pub fn is_content(&self) -> bool {
        self.blame == Some(Blame::Content)
    }
}

/// Where the bytes of a chunk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the engine's own folder, under this path relative to it. The engine may delete it.
    Own(String),
    /// A file of the user. The engine only reads it.
    Foreign(String),
    /// The engine deleted it after it was synced.
    Deleted,
}

impl Place {
    /// The folder, with the separator at its end: what stands at the beginning of every path in it.
    pub(crate) fn folder(&self) -> Self {
        let folder = |path: &str| {
            let end = path.rfind(['/', std::path::MAIN_SEPARATOR]).map_or(0, |at| at + 1);
            path[..end].to_owned()
        };
        match self {
            Self::Own(path) => Self::Own(folder(path)),
            Self::Foreign(path) => Self::Foreign(folder(path)),
            Self::Deleted => Self::Deleted,
        }
    }
}

/// What changes while a chunk is brought to the server. Everything else about a chunk is fixed once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The state.
    pub state: State,
    /// Attempts that count against the recording (R22).
    pub retry_count: u32,
    /// Server retries of blame `service`, counted apart (R24).
    pub service_retries: u32,
    /// Attempts that failed for any reason since the last success or reset. They set the delay and the route.
    pub attempts: u32,
    /// Not before this time.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<LastError>,
    /// The job that has it.
    pub job_id: Option<JobId>,
    /// When the server accepted it.
    pub uploaded_at: Option<Timestamp>,
    /// When its outcome was known.
    pub confirmed_at: Option<Timestamp>,
    /// The largest number of files of a batch with it (R20).
    pub batch_limit: Option<u32>,
    /// Whether a pass did not find its file (R10).
    pub was_missing: bool,
    /// Whether it goes by the resumable protocol, because a batch with it was too large.
    pub resumable: bool,
    /// How often the server forgot its job. It costs no retry of any kind; it only makes the device wait.
    pub losses: u32,
}

impl Transfer {
    /// A chunk that is durable and was never sent.
    pub const fn pending() -> Self {
        Self {
            state: State::Pending,
            retry_count: 0,
            service_retries: 0,
            attempts: 0,
            next_attempt_at: None,
            last_error: None,
            job_id: None,
            uploaded_at: None,
            confirmed_at: None,
            batch_limit: None,
            was_missing: false,
            resumable: false,
            losses: 0,
        }
    }
}

/// A row of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The number.
    pub id: ChunkId,
    /// The account that owns it. No other account ever sees it.
    pub owner: Uid,
    /// The name under which it is uploaded; part of the recording's identity.
    pub name: String,
    /// Where its bytes are.
    pub place: Place,
    /// When it begins.
    pub captured_at: Timestamp,
    /// Whether the time is sent beside the name, because the name contains none (R43).
    pub sends_captured_at: bool,
    /// How its frames are encoded; `None` for a sound file.
    pub format: Option<FrameFormat>,
    /// Its length; 0 if it is not known.
    pub duration_ms: u64,
    /// Its frames.
    pub frames: u64,
    /// The frames at its beginning that the live socket took.
    pub synced_prefix: u64,
    /// The device that recorded it.
    pub device: String,
    /// The session to which it belongs.
    pub session: String,
    /// The conversation to which it was stamped.
    pub conversation_id: Option<domain::ConversationId>,
    /// Its size in bytes.
    pub bytes: u64,
    /// The digest of its bytes; `None` while it is recorded.
    pub sha256: Option<Sha256Hex>,
    /// CRC32C of its bytes.
    pub crc32c: u32,
    /// How far it has come.
    pub transfer: Transfer,
}
