//! A worker's writes: a file's plan, its texts, and their placement. Each is refused if the worker has
//! lost its lease.

use domain::checkpoint::{self, Checkpoint};
use domain::placement::{self, Group};
use domain::planning::{self, FilePlan};
use domain::{Job, JobId, Line, Recording, RecordingExtras, texts};
use flow::ports::{At, Written};

use super::fault::{Fault, Result};
use super::path::Path;
use super::placement_context::{self, PlacementRead};
use super::table::lines::{self as table, Stored};
use super::table::recordings;
use super::table::{checkpoints, conversations, jobs, timelines, usage};
use super::unit_of_work::Unit;

pub async fn plan_file(
    unit: &mut Unit<'_>,
    id: JobId,
    plan: &FilePlan,
    at: &At<'_>,
) -> Result<Written<(Job, Recording)>> {
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::gone()) };
    let Some(file) = job.files.get(plan.index) else { return Ok(Written::gone()) };
    let (known, before) = recordings::load_one(unit, &job.uid, file.recording).await?;
    let planned = match planning::plan_file(job.clone(), known, plan, at.uncounted()) {
        Ok(planned) => planned,
        Err(why) => return Ok(Written::Fenced(why)),
    };
    jobs::update(unit, &job, &planned.job)?;
    let recording = recordings::save(unit, planned.recording, &planned.extras, &before)?;
    // An existing plan is only read, and another job may be working on it, so the step needs a
    // transaction.
    if !unit.is_transaction() && !unit.changes(&[Path::job(id), Path::recording(&recording.uid, recording.id)]) {
        return Err(Fault::NeedsTransaction);
    }
    Ok(Written::Done((planned.job, recording)))
}

/// Recordings never expire, so this is damage: without the recording it is unknown what was done.
fn lost(recording: domain::RecordingId) -> Fault {
    Fault::damaged(format_args!("recordings/{recording}"), "a job has it, and it is gone or cannot be read")
}

pub async fn save_checkpoint(
    unit: &mut Unit<'_>,
    id: JobId,
    checkpoint: &Checkpoint,
    at: &At<'_>,
) -> Result<Written<Job>> {
    checkpoint.check()?;
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::gone()) };
    match checkpoint::save_checkpoint(job.clone(), checkpoint, at.uncounted()) {
        Ok(after) => {
            jobs::update(unit, &job, &after)?;
            checkpoints::save(unit, id, checkpoint, at.now, at.rules.audio_lifecycle);
            Ok(Written::Done(after))
        }
        Err(why) => Ok(Written::Fenced(why)),
    }
}

pub async fn store_texts(
    unit: &mut Unit<'_>,
    id: JobId,
    fence: u64,
    lines: &[Line],
    at: &At<'_>,
) -> Result<Written<Vec<Line>>> {
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::gone()) };
    texts::check(&job, lines)?;
    match texts::renew(&job, fence, at) {
        Ok(renewed) if texts::wants_renewal(&job, at) => jobs::update(unit, &job, &renewed)?,
        // An engine may return texts one by one: with a renewal each would also cost a write of the job.
        Ok(_) => {}
        Err(why) => return Ok(Written::Fenced(why)),
    }
    // Lines are written without reading them first: they are nearly always new, and if one is not, the
    // commit fails.
    let stored = if unit.reads_first { table::stored(unit, lines).await? } else { vec![Stored::Nothing; lines.len()] };
    let mut stored_lines: Vec<Line> = Vec::with_capacity(lines.len());
    for (line, stored) in lines.iter().zip(stored) {
        let named_before = stored_lines.iter().find(|other| other.segment() == line.segment()).cloned();
        stored_lines.push(match (stored, named_before) {
            (Stored::Line(stored), _) | (_, Some(stored)) => stored,
            (Stored::Nothing, None) => {
                table::create(unit, line)?;
                line.clone()
            }
            // A line that cannot be read is replaced.
            (Stored::Damaged, None) => {
                table::update(unit, line)?;
                line.clone()
            }
        });
    }
    Ok(Written::Done(stored_lines))
}

/// Everything that the decision depends on is written with it, or is covered by the timeline, which is
/// read first and must be unchanged at the end.
pub async fn place(unit: &mut Unit<'_>, id: JobId, group: &Group, at: &At<'_>) -> Result<Written<(Job, Recording)>> {
    group.check()?;
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::gone()) };
    let Some(file) = job.files.get(group.index) else { return Ok(Written::gone()) };
    // A worker that has lost its lease is told so before anything more is read.
    if let Err(why) = domain::transition::check_fence(&job, group.fence) {
        return Ok(Written::Fenced(why));
    }
    let found = placement_context::of(unit, &job.uid, file, group, at).await?.ok_or_else(|| lost(file.recording))?;
    let PlacementRead { recording, before, context, timeline, usage } = found;
    let placed = match placement::place(job.clone(), recording, group, context, at.uncounted()) {
        Ok(placed) => placed,
        Err(why) => return Ok(Written::Fenced(why)),
    };
    for line in &placed.lines {
        table::update(unit, line)?;
    }
    for conversation in &placed.conversations {
        conversations::save(unit, conversation)?;
    }
    let uid = &placed.job.uid;
    if let (Some(timeline), false) = (timeline, placed.lines.is_empty()) {
        timelines::save(unit, uid, &placed.recording.stream.key(), timeline);
    }
    usage::add(unit, uid, at.now.hour(), usage.as_ref(), placed.usage)?;
    jobs::update(unit, &job, &placed.job)?;
    let recording = recordings::save(unit, placed.recording, &RecordingExtras::default(), &before)?;
    Ok(Written::Done((placed.job, recording)))
}
