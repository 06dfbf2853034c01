//! Placement of a group of transcribed segments: the plan is marked, lines are put into conversations, and usage is
//! counted. The functions are pure: a store reads the [`PlacementContext`], calls [`place`] and writes the result, all in
//! one transaction.

mod by_time;

use crate::command::Refusal;
use crate::conversation::{Conversation, Interval, Opening, title_of};
use crate::id::ConversationId;
use crate::invalid_write::InvalidWrite;
use crate::job::Job;
use crate::job_file::FailedSegment;
use crate::line::Line;
use crate::plan::{Mark, Plan, Segment};
use crate::recording::{Recording, State};
use crate::time::Timestamp;
use crate::transition::{Context, check_fence, extend_lease, later_than};
use crate::usage::Usage;

/// The engine's answer for one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The engine returned text, which is stored as a line.
    Text,
    /// The engine returned no text, for the first time.
    EmptyOnce,
    /// The engine returned no text again, so that the segment is accepted as silence.
    Empty,
    /// The engine refused the audio as invalid, or its calls kept failing. This holds for the current job only.
    Failed { refused: bool },
}

/// Segments of one file that are placed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub fence: u64,
    pub index: usize,
    pub answers: Vec<(u32, Answer)>,
}

impl Group {
    /// Refuses a group that is too large for a transaction.
    pub fn check(&self) -> Result<(), InvalidWrite> {
        if self.answers.len() <= MAX_GROUP { Ok(()) } else { Err(InvalidWrite::LargeGroup) }
    }

    /// The starts of the segments that have a text.
    pub fn texts(&self) -> Vec<u32> {
        self.answers.iter().filter(|(_, answer)| *answer == Answer::Text).map(|(start_ms, _)| *start_ms).collect()
    }
}

/// The most segments in a group. It bounds the size of a transaction.
pub const MAX_GROUP: usize = 50;

/// The data that a store reads before placement.
#[derive(Clone, Debug, Default)]
pub struct PlacementContext {
    /// The stored lines of the group's segments.
    pub lines: Vec<Line>,
    /// The conversation that the recording is attached to, if it exists, after following redirects.
    pub explicit: Option<Conversation>,
    /// Live conversations of the stream whose time overlaps the [`reach`] of the group.
    pub near: Vec<Conversation>,
    /// The timed and attached intervals, within that reach, of deleted conversations of the stream that hold a segment of
    /// this same recording.
    pub deleted: Vec<Interval>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub job: Job,
    pub recording: Recording,
    /// The lines that changed.
    pub lines: Vec<Line>,
    /// The conversations that changed or are new, including those that were merged into others.
    pub conversations: Vec<Conversation>,
    pub usage: Usage,
}

/// The time in which the group can affect conversations. `None` if none of its segments is placed by time.
pub fn reach(recording: &Recording, group: &Group) -> Option<Interval> {
    let start = recording.captured_at?;
    let plan = recording.plan.as_ref()?;
    let of = |&(start_ms, answer): &(u32, Answer)| {
        let segment = plan.find(start_ms).filter(|s| !s.is_closed() && answer == Answer::Text)?;
        Some(interval(start, segment))
    };
    group.answers.iter().filter_map(of).reduce(Interval::hull).map(Interval::reach)
}

/// The times of a conversation within a reach if it was deleted; none of a conversation that was not.
pub fn deleted_times(conversation: &Conversation, reach: Interval) -> impl Iterator<Item = Interval> {
    let times = conversation.deleted_at.map(|_| [conversation.timed, conversation.attached]);
    times.into_iter().flatten().flatten().filter(move |time| time.meets(reach))
}

/// The wall-clock time of a segment.
pub fn interval(captured_at: Timestamp, segment: &Segment) -> Interval {
    let at = |ms: u32| Timestamp::from_millis(captured_at.millis() + i64::from(ms));
    Interval { start: at(segment.start_ms), end: at(segment.end_ms) }
}

pub fn place(
    mut job: Job,
    mut recording: Recording,
    group: &Group,
    context: PlacementContext,
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
                let Some(line) = context.lines.iter().find(|l| l.start_ms == start_ms) else { continue };
                if line.stub || line.conversation_id.is_some() {
                    // The line was placed and counted before. The plan that recorded this was lost, and a new one was made.
                    plan.mark(start_ms, if line.stub { Mark::Empty } else { Mark::Placed });
                    line.conversation_id.into_iter().for_each(|id| note_in_recording(&mut recording, id));
                    continue;
                }
                let line = place_line(line, &segment, captured_at, &context.deleted, &mut plan, &mut usage);
                lines.push(line);
            }
        }
    }
    recording.plan = Some(plan);
    let conversations = find_conversations(&mut job, &mut recording, &mut lines, context, ctx.now);
    update_progress(&mut job, &mut recording, group.index);
    extend_lease(&mut job, ctx.now, ctx.rules);
    job.updated_at = later_than(job.updated_at, ctx);
    Ok(Placed { job, recording, lines, conversations, usage })
}

fn fail_segment(job: &mut Job, index: usize, start_ms: u32, refused: bool) {
    let Some(file) = job.files.get_mut(index) else { return };
    if !file.failed.iter().any(|f| f.start_ms == start_ms) {
        file.failed.push(FailedSegment { start_ms, refused });
    }
}

/// Marks the segment as placed and counts it. If it connects to a deleted conversation of the same recording, its text is
/// dropped: a user who deleted a conversation does not get the rest of it back.
fn place_line(
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

fn find_conversations(
    job: &mut Job,
    recording: &mut Recording,
    lines: &mut [Line],
    context: PlacementContext,
    now: Timestamp,
) -> Vec<Conversation> {
    let mut placed: Vec<&mut Line> = lines.iter_mut().filter(|line| !line.stub).collect();
    if placed.is_empty() {
        return Vec::new();
    }
    let attached = recording.conversation_id.and_then(|id| attachable(id, recording, context.explicit, now));
    let changed = match attached {
        Some(conversation) => attach(conversation, &mut placed, now),
        None => by_time::join(&recording.uid, &recording.stream, context.near, &mut placed, now),
    };
    placed.iter().filter_map(|line| line.conversation_id).for_each(|id| note_in_recording(recording, id));
    for (conversation, is_new) in &changed {
        note_in_job(job, conversation, *is_new);
    }
    changed.into_iter().map(|(conversation, _)| conversation).collect()
}

/// The conversation of an explicit id, which is created if it does not exist. `None` if it was deleted: then the lines are
/// placed by time.
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

fn update_progress(job: &mut Job, recording: &mut Recording, index: usize) {
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
