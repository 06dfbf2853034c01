//! The recordings on this computer, page by page.

use domain::Timestamp;
use engine::{Chunk, ChunkId, Engine, State};

/// The recordings that are read at a time.
const PAGE: usize = 500;

/// What is still to be sent, or is on the server in a job that is not over.
pub const OPEN: [State; 3] = [State::Recording, State::Pending, State::Uploaded];

/// Shows each recording in one of these states to the function, the newest ones of a state first.
pub fn each(engine: &Engine, states: &[State], mut visit: impl FnMut(&Chunk)) -> Result<(), engine::Error> {
    for state in states {
        let mut before: Option<(Timestamp, ChunkId)> = None;
        loop {
            let page = engine.list(Some(*state), before, PAGE)?;
            before = page.last().map(|(chunk, _)| (chunk.captured_at, chunk.id));
            page.iter().for_each(|(chunk, _)| visit(chunk));
            if before.is_none() {
                break;
            }
        }
    }
    Ok(())
}
