//! Jobs that are over: each is told once, by the command that shows what came of it, or by the next one (R39).

use std::collections::BTreeSet;

use engine::{ChunkId, Completed, Engine};
use terminal::output::tell;

/// Acknowledges the jobs that are over, and tells of those that nobody was told about: their recordings are not among these,
/// which the command has shown.
pub fn acknowledge(engine: &Engine, shown: &BTreeSet<ChunkId>) -> Result<(), engine::Error> {
    let earlier = acknowledged(engine, |_| true)?;
    let is_unknown = |completed: &&Completed| completed.files.iter().any(|file| !shown.contains(&file.id));
    tell_of(earlier.iter().filter(is_unknown).map(|completed| completed.files.len()).sum());
    Ok(())
}

/// The same for a command that shows nothing: what it sent itself is told by the next command.
pub fn acknowledge_earlier(engine: &Engine, sent: &BTreeSet<ChunkId>) -> Result<(), engine::Error> {
    let is_earlier = |completed: &Completed| completed.files.iter().all(|file| !sent.contains(&file.id));
    let earlier = acknowledged(engine, is_earlier)?;
    tell_of(earlier.iter().map(|completed| completed.files.len()).sum());
    Ok(())
}

/// Says that so many recordings are finished about which no command was told yet.
pub fn tell_of(recordings: usize) {
    match recordings {
        0 => {}
        1 => tell(crate::PROGRAM, "1 recording of an earlier command is finished, too; see `afterword transcripts`"),
        n => tell(
            crate::PROGRAM,
            format_args!("{n} recordings of earlier commands are finished, too; see `afterword transcripts`"),
        ),
    }
}

/// Acknowledges the jobs that are chosen, and returns them.
fn acknowledged(engine: &Engine, is_chosen: impl Fn(&Completed) -> bool) -> Result<Vec<Completed>, engine::Error> {
    let mut acknowledged = Vec::new();
    loop {
        let before = acknowledged.len();
        // The engine tells the oldest ones; what is acknowledged makes room for the next.
        for completed in engine.completed()?.into_iter().filter(&is_chosen) {
            if engine.acknowledge(completed.job_id, completed.completed_at)? {
                acknowledged.push(completed);
            }
        }
        if acknowledged.len() == before {
            return Ok(acknowledged);
        }
    }
}
