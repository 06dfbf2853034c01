//! The list of all keys. The default file, `config show`, the errors, the typed settings and docs/CONFIGURATION.md come from
//! it.

mod cloud;
mod engine;
mod jobs;
mod limits;
mod server;

use std::path::PathBuf;

use crate::key::Key;

pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;
/// A longer duration is taken for a mistake in the unit.
pub const YEAR: u64 = 366 * DAY;

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;
pub const TIB: u64 = 1024 * GIB;

/// A section of the file, with its keys in the order in which they are shown.
#[derive(Debug)]
pub struct Section {
    /// A nested section is named by its path: `engine.http`.
    pub name: &'static str,
    pub comment: &'static str,
    pub keys: &'static [Key],
}

pub static SECTIONS: &[Section] = &[
    Section { name: "server", comment: "", keys: server::SERVER },
    Section { name: "log", comment: "", keys: server::LOG },
    Section { name: "jobs", comment: "", keys: jobs::JOBS },
    Section { name: "sweep", comment: "", keys: jobs::SWEEP },
    Section { name: "engine", comment: "", keys: engine::ENGINE },
    Section {
        name: "engine.deepgram",
        comment: "Deepgram's service. With the engine `deepgram`, everything that is taken for speech is sent there.",
        keys: engine::DEEPGRAM,
    },
    Section {
        name: "engine.http",
        comment: "Any server with OpenAI's `/v1/audio/transcriptions`. With the engine `http`, everything that is taken \
                  for speech is sent there.",
        keys: engine::HTTP,
    },
    Section { name: "audio", comment: "", keys: engine::AUDIO },
    Section { name: "process", comment: "", keys: jobs::PROCESS },
    Section { name: "limits", comment: "", keys: limits::LIMITS },
    Section { name: "tasks", comment: "", keys: jobs::TASKS },
    Section { name: "queue", comment: "", keys: jobs::QUEUE },
    Section { name: "blobs", comment: "", keys: limits::BLOBS },
    Section { name: "identity", comment: "", keys: server::IDENTITY },
    Section {
        name: "simulate",
        comment: "For developers of apps, on a loopback address only.",
        keys: server::SIMULATE,
    },
    Section {
        name: "cloud",
        comment: "Only for the functions on Google Cloud: `afterword serve` uses none of it. They also read the variables \
                  that Google's tools know: GOOGLE_CLOUD_PROJECT, FIRESTORE_EMULATOR_HOST, STORAGE_EMULATOR_HOST and \
                  FIREBASE_AUTH_EMULATOR_HOST.",
        keys: cloud::CLOUD,
    },
];

pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The key of this name, such as `jobs.lease_seconds`.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

/// An empty path names no file.
fn file(path: &str) -> Option<PathBuf> {
    (!path.is_empty()).then(|| PathBuf::from(path))
}
