//! A worker's writes: a file's plan, its texts, and their placement. Each is refused if the worker has
//! lost its lease.

use domain::checkpoint::{Checkpoint, save_checkpoint as saved};
use domain::placement::{self, Group, Placed};
use domain::planning::{self, FilePlan};
use domain::{Job, JobFile, JobId, Line, Recording, texts};
use flow::ports::{At, Written};
use rusqlite::Connection;

use super::fault::{Fault, Result};
use super::placement_context;
use super::table::recordings::Before;
use super::table::{checkpoints, conversations, extras, jobs, lines, recordings, usage};

pub fn plan_file(db: &Connection, id: JobId, plan: &FilePlan, at: &At<'_>) -> Result<Written<(Job, Recording)>> {
    let Some((job, known, before)) = job_with_file(db, id, plan.index)? else { return Ok(Written::gone()) };
    let mut planned = match planning::plan_file(job.clone(), known, plan, at.uncounted()) {
        Ok(planned) => planned,
        Err(why) => return Ok(Written::Fenced(why)),
    };
    jobs::update(db, &job, &planned.job)?;
    recordings::save(db, &mut planned.recording, &before)?;
    extras::save(db, &planned.recording.uid, planned.recording.id, &planned.extras)?;
    Ok(Written::Done((planned.job, planned.recording)))
}

pub fn save_checkpoint(db: &Connection, id: JobId, checkpoint: &Checkpoint, at: &At<'_>) -> Result<Written<Job>> {
    checkpoint.check()?;
    let Some(job) = jobs::load(db, id)? else { return Ok(Written::gone()) };
    match saved(job.clone(), checkpoint, at.uncounted()) {
        Ok(after) => {
            jobs::update(db, &job, &after)?;
            checkpoints::save(db, id, checkpoint.index, &checkpoint.bytes)?;
            Ok(Written::Done(after))
        }
        Err(why) => Ok(Written::Fenced(why)),
    }
}

pub fn store_texts(
    db: &Connection,
    id: JobId,
    fence: u64,
    lines: Vec<Line>,
    at: &At<'_>,
) -> Result<Written<Vec<Line>>> {
    let Some(job) = jobs::load(db, id)? else { return Ok(Written::gone()) };
    texts::check(&job, &lines)?;
    match texts::renew(&job, fence, at) {
        Ok(renewed) => jobs::update(db, &job, &renewed)?,
        Err(why) => return Ok(Written::Fenced(why)),
    }
    lines.into_iter().map(|line| store_text(db, line)).collect::<Result<_>>().map(Written::Done)
}

/// Stores a line. Returns the stored line, which is the earlier one if there was one. A line that
/// cannot be read is replaced.
fn store_text(db: &Connection, line: Line) -> Result<Line> {
    if lines::insert(db, &line)? {
        return Ok(line);
    }
    if let Some(before) = lines::load(db, &line.uid, line.segment())? {
        return Ok(before);
    }
    // A line that was emptied with a deleted conversation stays without its text.
    let line = if lines::is_emptied(db, &line)? { line.forgotten() } else { line };
    lines::update(db, &line)?;
    Ok(line)
}

pub fn place(db: &Connection, id: JobId, group: &Group, at: &At<'_>) -> Result<Written<(Job, Recording)>> {
    group.check()?;
    let Some((job, recording, before)) = job_with_file(db, id, group.index)? else { return Ok(Written::gone()) };
    // The next delivery plans the file again.
    let recording = recording.ok_or_else(|| lost(&job.files[group.index]))?;
    let context = placement_context::of(db, &recording, group)?;
    match placement::place(job.clone(), recording, group, context, at.uncounted()) {
        Ok(placed) => write(db, placed, (&job, &before), at).map(Written::Done),
        Err(why) => Ok(Written::Fenced(why)),
    }
}

fn write(db: &Connection, placed: Placed, (job, recording): (&Job, &Before), at: &At<'_>) -> Result<(Job, Recording)> {
    let mut placed = placed;
    for line in &placed.lines {
        lines::update(db, line)?;
    }
    for conversation in &placed.conversations {
        conversations::save(db, conversation)?;
    }
    usage::add(db, &placed.job.uid, at.now.hour(), placed.usage)?;
    jobs::update(db, job, &placed.job)?;
    recordings::save(db, &mut placed.recording, recording)?;
    Ok((placed.job, placed.recording))
}

fn job_with_file(db: &Connection, id: JobId, index: usize) -> Result<Option<(Job, Option<Recording>, Before)>> {
    let Some(job) = jobs::load(db, id)? else { return Ok(None) };
    let Some(file) = job.files.get(index) else { return Ok(None) };
    let (recording, before) = recordings::load(db, &job.uid, file.recording)?;
    Ok(Some((job, recording, before)))
}

/// Recordings never expire, so this is damage: without the recording it is unknown what was done.
fn lost(file: &JobFile) -> Fault {
    Fault::damaged("recordings", file.recording, "a job has it, and it is gone or cannot be read")
}
