//! The contents of a data folder of an earlier version (`fixtures/earlier`): the recordings and their users.

use bytes::Bytes;

use crate::recordings::{Recording, T0};

/// The user with one recording in every state, and the user for whom the earlier version transcribed all of [`half`].
pub const ANN: &str = "ann";
pub const BEN: &str = "ben";
/// The archive, and the data folder and the export in it.
pub const ARCHIVE: &str = "fixtures/earlier/0.1.0.tar.gz";
pub const FOLDER: &str = "data";
pub const EXPORT: &str = "moving.jsonl";

/// The bytes of a frame's length, and of the frame.
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

/// Its job failed, because the engine refused it; its audio is still stored.
pub fn failed() -> Recording {
    Recording::short(T0 + 300_000)
}

/// Speech at a sixteenth of its level, half a minute of silence, and the same speech: it was amplified as a whole, and
/// its second segment has no text yet.
pub fn half() -> Recording {
    let Recording { name, bytes, .. } = Recording::speech(T0 + 400_000);
    let mut low = bytes.to_vec();
    for sample in low.chunks_exact_mut(RECORD).flat_map(|record| record[4..].as_chunks_mut().0) {
        *sample = (i16::from_le_bytes(*sample) / 16).to_le_bytes();
    }
    let silence = [&320_u32.to_le_bytes()[..], &[0; 320]].concat().repeat(3_000);
    Recording::new(name, Bytes::from([&low[..], &silence, &low].concat()))
}
