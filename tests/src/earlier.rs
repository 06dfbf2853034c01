//! What a data folder of an earlier version holds (`fixtures/earlier`): the recordings, and whose they are.

use bytes::Bytes;

use crate::recordings::{Recording, T0};

/// Who has one recording in every state, and who has the half transcribed one as the earlier version heard all of it.
pub const ANN: &str = "ann";
pub const BEN: &str = "ben";
/// An archive of `fixtures/earlier`.
pub struct Archive {
    pub file: &'static str,
    /// By rules that are not ours any more: what they called silent is heard again.
    pub silence_is_outdated: bool,
}

pub const ARCHIVES: [Archive; 3] = [
    Archive { file: "fixtures/earlier/0.1.0.tar.gz", silence_is_outdated: true },
    Archive { file: "fixtures/earlier/0.1.0-levels.tar.gz", silence_is_outdated: false },
    Archive { file: "fixtures/earlier/schema-8.tar.gz", silence_is_outdated: false },
];
/// What is in an archive.
pub const FOLDER: &str = "data";
pub const EXPORT: &str = "moving.jsonl";

/// Bytes of a frame's length, and of the frame.
const RECORD: usize = 4 + 320;

pub fn done() -> Recording {
    Recording::short(T0)
}

pub fn silent() -> Recording {
    Recording::silence(T0 + 100_000)
}

pub fn invalid() -> Recording {
    Recording::garbage(T0 + 200_000)
}

/// Its job failed, because the engine refused it; its audio is still there.
pub fn failed() -> Recording {
    Recording::short(T0 + 300_000)
}

/// Speech at a sixteenth of its level, half a minute of silence, and the same speech: it was raised as a whole, and its
/// second segment has no text yet.
pub fn half() -> Recording {
    let Recording { name, bytes, .. } = Recording::speech(T0 + 400_000);
    let mut low = bytes.to_vec();
    for sample in low.chunks_exact_mut(RECORD).flat_map(|record| record[4..].as_chunks_mut().0) {
        *sample = (i16::from_le_bytes(*sample) / 16).to_le_bytes();
    }
    let silence = [&320_u32.to_le_bytes()[..], &[0; 320]].concat().repeat(3_000);
    Recording::new(name, Bytes::from([&low[..], &silence, &low].concat()))
}
