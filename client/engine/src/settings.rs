//! What the app sets once, and what the user may change at any time.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::rules::housekeeping::Retention;
use crate::server::Server;

/// What an engine is built with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the recordings.
    pub folder: PathBuf,
    /// The index: a file of SQLite, by default in the same folder.
    pub index: PathBuf,
    /// The server.
    pub server: Server,
    /// The length of a chunk.
    pub chunk: Duration,
    /// How much audio may be lost with the device: frames become durable at least this often.
    pub at_risk: Duration,
    /// A chunk is kept only if the live socket missed at least this much of it.
    pub min_unsynced: Duration,
    /// Every chunk is kept, whatever the live socket took.
    pub keep_everything: bool,
    /// Below this much free space, nothing new is recorded.
    pub reserve_bytes: u64,
    /// What happens to files whose recording is synced.
    pub retention: Retention,
    /// How long the upload of a session waits for its conversation.
    pub conversation_wait: Duration,
    /// The number of events that are remembered.
    pub events: usize,
}

impl Config {
    /// The defaults, for recordings in this folder and this server.
    pub fn new(folder: impl Into<PathBuf>, server: Server) -> Self {
        let folder = folder.into();
        Self {
            index: folder.join("index.db"),
            folder,
            server,
            chunk: Duration::from_secs(60),
            at_risk: Duration::from_secs(1),
            min_unsynced: Duration::ZERO,
            keep_everything: false,
            reserve_bytes: 512 << 20,
            retention: Retention::default(),
            conversation_wait: Duration::from_secs(30),
            events: 1000,
        }
    }
}

/// What the user sets for transfers (R42). None of it counts as a failure of anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Audio is uploaded only over a network that costs nothing by the byte.
    pub unmetered_only: bool,
    /// Audio is uploaded only while the device is charging.
    pub charging_only: bool,
    /// Nothing is sent at all.
    pub paused: bool,
}
