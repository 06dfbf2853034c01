//! Values for the tests of this crate.

use domain::{FrameFormat, Timestamp, Uid};

use crate::chunk::{Chunk, ChunkId, Place, Transfer};

pub fn uid(text: &str) -> Uid {
    Uid::new(text).unwrap()
}

pub fn chunk(id: i64) -> Chunk {
    let captured_at = Timestamp::from_secs(1_748_300_000 + id);
    let name = FrameFormat::BARE.file_name("phone", captured_at);
    Chunk {
        id: ChunkId(id),
        owner: uid("anna"),
        place: Place::Own(format!("anna/{name}")),
        name,
        captured_at,
        sends_captured_at: false,
        format: Some(FrameFormat::BARE),
        duration_ms: 60_000,
        frames: 6_000,
        synced_prefix: 0,
        device: "phone".to_owned(),
        session: "s".to_owned(),
        conversation_id: None,
        bytes: 100,
        sha256: Some(domain::Sha256Hex([7; 32])),
        crc32c: 9,
        transfer: Transfer::pending(),
    }
}
