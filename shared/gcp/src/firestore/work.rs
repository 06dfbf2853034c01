//! A worker's writes: a file's plan, its texts, and their placement. Each is refused if the worker has
//! lost its lease.

use domain::accept::new_recording;
use domain::checkpoint::{self, Checkpoint, MAX_CHECKPOINT_BYTES};
use domain::command::{Command, Refusal};
use domain::placement::{self, Group, MAX_GROUP};
use domain::planning::{self, FilePlan};
use domain::transition::apply;
use domain::{Job, JobId, Line, Recording, RecordingExtras};
use flow::ports::{At, Written};

use super::fault::{Fault, Result};
use super::path::Path;
use super::placement_context::{self, PlacementRead};
use super::table::lines::Stored;
use super::table::recordings;
use super::table::{checkpoints, conversations, jobs, lines, timelines, usage};
use super::unit::Unit;
use super::user_slots::uncounted;

/// The answer to a worker whose job, or whose file, no longer exists.
const GONE: Refusal = Refusal::Fenced { fence: 0 };

pub async fn plan_file(
    unit: &mut Unit<'_>,
    id: JobId,
    plan: &FilePlan,
    at: &At<'_>,
) -> Result<Written<(Job, Recording)>> {
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::Fenced(GONE)) };
    let Some(file) = job.files.get(plan.index) else { return Ok(Written::Fenced(GONE)) };
    let (known, before) = recordings::load_one(unit, &job.uid, file.recording).await?;
    // A recording that was lost or cannot be read is created again; its stored lines are found by their
    // segments.
    let recording = known.unwrap_or_else(|| new_recording(file, &job.uid, job.id, at.now));
    let planned = match planning::plan_file(job.clone(), recording, plan, uncounted(at)) {
        Ok(planned) => planned,
        Err(why) => return Ok(Written::Fenced(why)),
    };
    jobs::update(unit, &job, &planned.job)?;
    let recording = recordings::save(unit, planned.recording, &planned.beside, &before)?;
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
    if checkpoint.bytes.len() > MAX_CHECKPOINT_BYTES {
        return Err(Fault::Invalid("the checkpoint is too long"));
    }
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::Fenced(GONE)) };
    match checkpoint::save_checkpoint(job.clone(), checkpoint, uncounted(at)) {
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
    texts: &[Line],
    at: &At<'_>,
) -> Result<Written<Vec<Line>>> {
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::Fenced(GONE)) };
    let of_this_job =
        |line: &Line| line.uid == job.uid && job.files.iter().any(|file| file.recording == line.recording);
    if texts.len() > MAX_GROUP || !texts.iter().all(of_this_job) {
        return Err(Fault::Invalid("these lines are too many, or of recordings that are not the job's"));
    }
    // For the job, storing texts is the same as renewing its lease.
    match apply(&job, &Command::Renew { fence }, uncounted(at)) {
        Ok(step) if wants_renewal(&job, at) => jobs::update(unit, &job, &step.job)?,
        // An engine may return texts one by one: with a renewal each would also cost a write of the job.
        Ok(_) => {}
        Err(why) => return Ok(Written::Fenced(why)),
    }
    // Lines are written without reading them first: they are nearly always new, and if one is not, the
    // commit fails.
    let stored = if unit.reads_first { lines::stored(unit, texts).await? } else { vec![Stored::Nothing; texts.len()] };
    let mut stored_lines: Vec<Line> = Vec::with_capacity(texts.len());
    for (line, stored) in texts.iter().zip(stored) {
        let named_before = stored_lines.iter().find(|other| other.segment() == line.segment()).cloned();
        stored_lines.push(match (stored, named_before) {
            (Stored::Line(stored), _) | (_, Some(stored)) => stored,
            (Stored::Nothing, None) => {
                lines::create(unit, line)?;
                line.clone()
            }
            // A line that cannot be read is replaced.
            (Stored::Damaged, None) => {
                lines::update(unit, line)?;
                line.clone()
            }
        });
    }
    Ok(Written::Done(stored_lines))
}

/// Whether the lease is to be renewed. It must be early enough: the worker counts its write as a
/// renewal, and makes the next one `renew_after` from now.
fn wants_renewal(job: &Job, at: &At<'_>) -> bool {
    let fresh = at.rules.lease.saturating_sub(at.rules.renew_after / 2);
    job.lease.until.is_none_or(|until| at.now.until(until) <= fresh)
}

/// Everything that the decision depends on is written with it, or is covered by the timeline, which is
/// read first and must be unchanged at the end.
pub async fn place(unit: &mut Unit<'_>, id: JobId, group: &Group, at: &At<'_>) -> Result<Written<(Job, Recording)>> {
    if group.answers.len() > MAX_GROUP {
        return Err(Fault::Invalid("the group has too many segments"));
    }
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Written::Fenced(GONE)) };
    let Some(file) = job.files.get(group.index) else { return Ok(Written::Fenced(GONE)) };
    // A worker that has lost its lease is told so before anything more is read.
    if let Err(why) = domain::transition::check_fence(&job, group.fence) {
        return Ok(Written::Fenced(why));
    }
    let found = placement_context::of(unit, &job.uid, file, group, at).await?.ok_or_else(|| lost(file.recording))?;
    let PlacementRead { recording, before, context, timeline, usage } = found;
    let placed = match placement::place(job.clone(), recording, group, context, uncounted(at)) {
        Ok(placed) => placed,
        Err(why) => return Ok(Written::Fenced(why)),
    };
    for line in &placed.lines {
        lines::update(unit, line)?;
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
