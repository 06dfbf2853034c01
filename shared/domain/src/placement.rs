//! Placing a group of finished segments: the plan is marked, lines find their conversation, usage is counted. Pure;
//! a store reads the [`PlacementContext`], calls [`place`] and writes what comes back, in one transaction.

mod by_time;

use crate::command::Refusal;
use crate::conversation::{Conversation, Interval, Opening, title_of};
use crate::id::ConversationId;
use crate::job::Job;
use crate::job_file::FailedSegment;
use crate::line::Line;
use crate::plan::{Mark, Plan, Segment};
use crate::recording::{Recording, State};
use crate::time::Timestamp;
use crate::transition::{Context, check_fence, extend_lease};
use crate::usage::Usage;

/// How the engine answered for one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its line is stored.
    Text,
    /// Nothing, for the first time.
    EmptyOnce,
    /// Nothing again: accepted as silence.
    Empty,
    /// The engine called the audio invalid, or kept failing. Only for this job.
    Failed { refused: bool },
}

/// Segments of one file, to be placed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub fence: u64,
    pub index: usize,
    pub answers: Vec<(u32, Answer)>,
}

/// The most segments in a group: bounds a transaction.
pub const MAX_GROUP: usize = 50;

/// What a store reads before it places.
#[derive(Clone, Debug, Default)]
pub struct PlacementContext {
    /// The stored lines of the group's segments.
    pub lines: Vec<Line>,
    /// The conversation that the recording is attached to, redirects followed, if there is one.
    pub explicit: Option<Conversation>,
    /// Live conversations of the stream, by time, that meet the [`reach`] of the group.
    pub near: Vec<Conversation>,
    /// Times of deleted conversations of the stream, of what was placed by time and of what was attached, within that
    /// reach, that hold a segment of this very recording.
    pub deleted: Vec<Interval>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub job: Job,
    pub recording: Recording,
    /// Lines that changed.
    pub lines: Vec<Line>,
    /// Conversations that changed or are new, merged-away ones included.
    pub conversations: Vec<Conversation>,
    pub usage: Usage,
}

/// The time that placing the group can touch; `None` when nothing of it goes by time.
pub fn reach(recording: &Recording, group: &Group) -> Option<Interval> {
    let start = recording.captured_at?;
    let plan = recording.plan.as_ref()?;
    let of = |&(start_ms, answer): &(u32, Answer)| {
        let segment = plan.find(start_ms).filter(|s| !s.is_closed() && answer == Answer::Text)?;
        Some(interval(start, segment))
    };
    group.answers.iter().filter_map(of).reduce(Interval::hull).map(Interval::reach)
}

/// Where a segment lies in real time.
pub fn interval(captured_at: Timestamp, segment: &Segment) -> Interval {
    let at = |ms: u32| Timestamp::from_millis(captured_at.millis() + i64::from(ms));
    Interval { start: at(segment.start_ms), end: at(segment.end_ms) }
}

pub fn place(
    mut job: Job,
    mut recording: Recording,
    group: &Group,
    around: PlacementContext,
    ctx: Context<'_>,
) -> Result<Placed, Refusal> {
    check_fence(&job, group.fence)?;
    let (Some(mut plan), Some(captured_at)) = (recording.plan.take(), recording.captured_at) else {
        return Err(Refusal::Fenced { fence: job.lease.fence });
    };
    let mut usage = Usage::default();
    let mut lines = Vec::new();
    for &(start_ms, answer) in &group.answers {
        let Some(segment) = plan.find(start_ms).copied().filter(|s| !s.is_closed()) else { continue };
        match answer {
            Answer::EmptyOnce => _ = plan.mark(start_ms, Mark::EmptyOnce),
            Answer::Empty => _ = plan.mark(start_ms, Mark::Empty),
            Answer::Failed { refused } => fail_segment(&mut job, group.index, start_ms, refused),
            Answer::Text => {
                let Some(line) = around.lines.iter().find(|l| l.start_ms == start_ms) else { continue };
                if line.stub || line.conversation_id.is_some() {
                    // Placed before, and counted: the plan that said so was lost, and made again.
                    plan.mark(start_ms, if line.stub { Mark::Empty } else { Mark::Placed });
                    line.conversation_id.into_iter().for_each(|id| note_in_recording(&mut recording, id));
                    continue;
                }
                let line = take_in(line, &segment, captured_at, &around.deleted, &mut plan, &mut usage);
                lines.push(line);
            }
        }
    }
    recording.plan = Some(plan);
    let conversations = find_places(&mut job, &mut recording, &mut lines, around, ctx.now);
    settle(&mut job, &mut recording, group.index);
    extend_lease(&mut job, ctx.now, ctx.rules);
    job.updated_at = ctx.now.max(Timestamp::from_millis(job.updated_at.millis() + 1));
    Ok(Placed { job, recording, lines, conversations, usage })
}

fn fail_segment(job: &mut Job, index: usize, start_ms: u32, refused: bool) {
    let Some(file) = job.files.get_mut(index) else { return };
    if !file.failed.iter().any(|f| f.start_ms == start_ms) {
        file.failed.push(FailedSegment { start_ms, refused });
    }
}

/// Marks the segment and counts it. Near a deleted conversation of the same recording it is consumed: a user who
/// deleted a talk does not get the rest of it back.
fn take_in(
    line: &Line,
    segment: &Segment,
    captured_at: Timestamp,
    deleted: &[Interval],
    plan: &mut Plan,
    usage: &mut Usage,
) -> Line {
    let at = interval(captured_at, segment);
    if deleted.iter().any(|gone| gone.connects(at)) {
        plan.mark(segment.start_ms, Mark::Empty);
        return line.clone().forgotten();
    }
    if plan.mark(segment.start_ms, Mark::Placed) {
        *usage += Usage { transcribed_ms: u64::from(segment.speech_ms), words: line.words, segments: 1 };
    }
    line.clone()
}

fn find_places(
    job: &mut Job,
    recording: &mut Recording,
    lines: &mut [Line],
    around: PlacementContext,
    now: Timestamp,
) -> Vec<Conversation> {
    let mut placed: Vec<&mut Line> = lines.iter_mut().filter(|line| !line.stub).collect();
    if placed.is_empty() {
        return Vec::new();
    }
    let attached = recording.conversation_id.and_then(|id| attachable(id, recording, around.explicit, now));
    let changed = match attached {
        Some(conversation) => attach(conversation, &mut placed, now),
        None => by_time::join(&recording.uid, &recording.stream, around.near, &mut placed, now),
    };
    placed.iter().filter_map(|line| line.conversation_id).for_each(|id| note_in_recording(recording, id));
    for (conversation, is_new) in &changed {
        note_in_job(job, conversation, *is_new);
    }
    changed.into_iter().map(|(conversation, _)| conversation).collect()
}

/// An explicit id wins, known or not; one that was deleted does not.
fn attachable(
    id: ConversationId,
    recording: &Recording,
    explicit: Option<Conversation>,
    now: Timestamp,
) -> Option<(Conversation, bool)> {
    match explicit {
        None => Some((Conversation::new(id, &recording.uid, &recording.stream, now), true)),
        Some(conversation) if conversation.is_live() => Some((conversation, false)),
        Some(_) => None,
    }
}

fn attach(
    (mut conversation, is_new): (Conversation, bool),
    lines: &mut [&mut Line],
    now: Timestamp,
) -> Vec<(Conversation, bool)> {
    for line in lines {
        let at = Interval { start: line.starts_at, end: line.ends_at };
        conversation.attached = Some(conversation.attached.map_or(at, |old| old.hull(at)));
        conversation.opening = Some(opening(line).earlier(conversation.opening.take()));
        line.conversation_id = Some(conversation.id);
        line.attached = true;
    }
    if let (None, Some(opening)) = (conversation.timed, &conversation.opening) {
        conversation.stream = opening.stream.clone();
    }
    conversation.updated_at = now;
    vec![(conversation, is_new)]
}

fn opening(line: &Line) -> Opening {
    Opening {
        at: line.starts_at,
        recording: line.recording,
        start_ms: line.start_ms,
        stream: line.stream.clone(),
        title: title_of(&line.text()),
        language: line.language.clone(),
    }
}

fn note_in_recording(recording: &mut Recording, id: ConversationId) {
    if !recording.conversation_ids.contains(&id) {
        recording.conversation_ids.push(id);
    }
}

fn note_in_job(job: &mut Job, conversation: &Conversation, is_new: bool) {
    let (new, updated) = (&mut job.new_conversation_ids, &mut job.updated_conversation_ids);
    if conversation.merged_into.is_some() {
        new.retain(|id| *id != conversation.id);
        updated.retain(|id| *id != conversation.id);
    } else if !new.contains(&conversation.id) && !updated.contains(&conversation.id) {
        if is_new { new.push(conversation.id) } else { updated.push(conversation.id) }
    }
}

fn settle(job: &mut Job, recording: &mut Recording, index: usize) {
    if recording.plan.as_ref().is_some_and(Plan::is_closed) {
        recording.state = State::Done;
    }
    let Some(file) = job.files.get_mut(index) else { return };
    file.follow(recording);
    if file.status == crate::job_file::FileStatus::Failed && recording.state == State::Planned {
        recording.state = State::Failed;
    } else if file.status == crate::job_file::FileStatus::Processing {
        recording.state = State::Planned;
    }
}

#[cfg(test)]
mod tests;
