//! A second, simple placement in which a mistake can be planted: the property test must find each of them.

use domain::command::Refusal;
use domain::conversation::{Opening, derived_id, title_of};
use domain::job_file::FailedSegment;
use domain::placement::{Answer, Group, Placed, PlacementContext, interval};
use domain::recording::State;
use domain::transition::{Context, check_fence, extend_lease};
use domain::{Conversation, Interval, Job, Line, Mark, Plan, Recording, Usage};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mistake {
    None,
    /// `<=` is used where `<` is meant.
    JoinsAtTheGap,
    /// A line joins one conversation, and never connects two.
    NotTransitive,
    /// Usage grows with every call instead of every placed segment.
    CountsBlindly,
}

pub fn place(
    mistake: Mistake,
    mut job: Job,
    mut recording: Recording,
    group: &Group,
    around: PlacementContext,
    ctx: Context<'_>,
) -> Result<Placed, Refusal> {
    check_fence(&job, group.fence)?;
    let (Some(mut plan), Some(captured_at)) = (recording.plan.take(), recording.captured_at) else {
        return Err(Refusal::FilesOpen);
    };
    let mut usage = Usage::default();
    let mut lines: Vec<Line> = Vec::new();
    for &(start_ms, answer) in &group.answers {
        let Some(segment) = plan.find(start_ms).copied() else { continue };
        match answer {
            Answer::EmptyOnce => _ = plan.mark(start_ms, Mark::EmptyOnce),
            Answer::Empty => _ = plan.mark(start_ms, Mark::Empty),
            Answer::Failed { .. } if segment.is_closed() => {}
            Answer::Failed { refused } => job.files[group.index].failed.push(FailedSegment { start_ms, refused }),
            Answer::Text => {
                let Some(line) = around.lines.iter().find(|line| line.start_ms == start_ms) else { continue };
                let placed = plan.mark(start_ms, Mark::Placed);
                if placed || mistake == Mistake::CountsBlindly {
                    usage += Usage { transcribed_ms: u64::from(segment.speech_ms), words: line.words, segments: 1 };
                }
                if placed {
                    let at = interval(captured_at, &segment);
                    lines.push(Line { starts_at: at.start, ends_at: at.end, ..line.clone() });
                }
            }
        }
    }
    let conversations = if lines.is_empty() { Vec::new() } else { find(mistake, &recording, &mut lines, around, ctx) };
    update_state(&mut job, &mut recording, plan, group.index, ctx);
    Ok(Placed { job, recording, lines, conversations, usage })
}

/// Puts each line into its conversation, one after another. Returns the conversations that may have changed.
fn find(
    mistake: Mistake,
    recording: &Recording,
    lines: &mut [Line],
    around: PlacementContext,
    ctx: Context<'_>,
) -> Vec<Conversation> {
    let (uid, stream) = (&recording.uid, &recording.stream);
    if let Some(id) = recording.conversation_id {
        let mut found = around.explicit.unwrap_or_else(|| Conversation::new(id, uid, stream, ctx.now));
        for line in lines {
            let at = span(line);
            found.attached = Some(found.attached.map_or(at, |old| old.hull(at)));
            line.attached = true;
            enter(&mut found, line);
        }
        return vec![found];
    }
    let mut near = around.near;
    for line in lines {
        let at = span(line);
        let hits = |c: &Conversation| c.is_live() && c.timed.is_some_and(|timed| connects(mistake, timed, at));
        let mut hit: Vec<_> = (0..near.len()).filter(|i| hits(&near[*i])).collect();
        hit.sort_by_key(|i| (near[*i].timed.map(|timed| timed.start), near[*i].id));
        if mistake == Mistake::NotTransitive {
            hit.truncate(1);
        }
        let first = hit.first().copied().unwrap_or_else(|| {
            near.push(Conversation::new(derived_id(uid, stream, line.segment()), uid, stream, ctx.now));
            near.len() - 1
        });
        for loser in hit.into_iter().skip(1) {
            let (timed, opening) = (near[loser].timed.take(), near[loser].opening.take());
            near[loser].merged_into = Some(near[first].id);
            near[first].timed = near[first].timed.zip(timed).map(|(one, other)| one.hull(other));
            near[first].opening = opening.map(|opening| opening.earlier(near[first].opening.take()));
        }
        near[first].timed = Some(near[first].timed.map_or(at, |timed| timed.hull(at)));
        enter(&mut near[first], line);
    }
    near
}

fn connects(mistake: Mistake, one: Interval, other: Interval) -> bool {
    let gap = one.start.max(other.start).millis() - one.end.min(other.end).millis();
    gap < 120_000 || (mistake == Mistake::JoinsAtTheGap && gap == 120_000)
}

fn span(line: &Line) -> Interval {
    Interval { start: line.starts_at, end: line.ends_at }
}

fn enter(conversation: &mut Conversation, line: &mut Line) {
    line.conversation_id = Some(conversation.id);
    let opening = Opening {
        at: line.starts_at,
        recording: line.recording,
        start_ms: line.start_ms,
        stream: line.stream.clone(),
        title: title_of(&line.text()),
        language: line.language.clone(),
    };
    conversation.opening = Some(opening.earlier(conversation.opening.take()));
}

fn update_state(job: &mut Job, recording: &mut Recording, plan: Plan, index: usize, ctx: Context<'_>) {
    recording.state = if plan.is_closed() { State::Done } else { State::Planned };
    recording.plan = Some(plan);
    job.files[index].follow(recording);
    extend_lease(job, ctx.now, ctx.rules);
}
