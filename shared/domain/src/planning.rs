//! Writing the plan of a recording. It is written once; a later job continues with it.

use crate::accept::new_recording;
use crate::code::Code;
use crate::command::Refusal;
use crate::failure::Failure;
use crate::job::Job;
use crate::levels::Levels;
use crate::peaks::Peaks;
use crate::plan::{Plan, Segment};
use crate::recording::{AudioFacts, Recording, State};
use crate::recording_extras::RecordingExtras;
use crate::transition::{Context, check_fence, extend_lease, later_than};

/// The result of the first pass over a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Speech(Vec<Segment>),
    /// The file holds no speech, by the strict rule.
    Silence,
    /// Nothing in the file could be decoded; the text says why.
    Nothing(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FilePlan {
    pub fence: u64,
    pub index: usize,
    /// Whether the bytes that the plan was made from were compared with their digest.
    pub verified: bool,
    pub facts: AudioFacts,
    pub heard: Heard,
    /// The waveform of the recording; empty if it was not computed.
    pub peaks: Peaks,
    /// The levels at which the first pass listened, and at which the segments are cut.
    pub levels: Levels,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub job: Job,
    pub recording: Recording,
    /// The data to be stored next to the recording; empty unless this plan was the one written.
    pub extras: RecordingExtras,
}

/// Writes the plan of a file's recording. A recording that was lost or cannot be read (`None`) is created again; its stored
/// lines are found by their segments.
pub fn plan_file(
    mut job: Job,
    known: Option<Recording>,
    plan: &FilePlan,
    ctx: Context<'_>,
) -> Result<Planned, Refusal> {
    check_fence(&job, plan.fence)?;
    let fenced = Refusal::Fenced { fence: job.lease.fence };
    let Some(file) = job.files.get_mut(plan.index) else { return Err(fenced) };
    let mut recording = known.unwrap_or_else(|| new_recording(file, &job.uid, job.id, ctx.now));
    if file.recording != recording.id {
        return Err(fenced);
    }
    let mut extras = RecordingExtras::default();
    file.verified |= plan.verified;
    // Bytes say nothing about the recording before their digest was compared: anybody can send other bytes under its name.
    if recording.needs_listening() && file.verified {
        match &plan.heard {
            Heard::Speech(segments) if !segments.is_empty() => {
                recording.facts = plan.facts;
                let ended = job.created_at - std::time::Duration::from_millis(plan.facts.duration_ms);
                recording.captured_at = Some(file.captured_at.unwrap_or(ended));
                recording.language.clone_from(&job.language);
                recording.conversation_id = job.conversation_id;
                recording.plan = Some(Plan::new(segments.clone()));
                recording.state = State::Planned;
                extras.peaks = Some(plan.peaks.clone()).filter(|peaks| !peaks.is_empty());
                // A single gain is stored in the facts.
                extras.levels = Some(plan.levels.clone()).filter(|levels| levels.one_gain().is_none());
            }
            // A plan without a segment could never be finished.
            Heard::Speech(_) | Heard::Silence => recording.mark_silent(plan.facts),
            Heard::Nothing(_) => {
                recording.facts = plan.facts;
                recording.state = State::Invalid;
            }
        }
    }
    file.follow(&recording);
    if let (Heard::Nothing(why), State::Invalid) = (&plan.heard, recording.state) {
        file.fail(Failure::because(Code::InvalidAudio, why.clone()));
    }
    extend_lease(&mut job, ctx.now, ctx.rules);
    job.updated_at = later_than(job.updated_at, ctx);
    Ok(Planned { job, recording, extras })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::Command;
    use crate::id::Nonce;
    use crate::placement::{Answer, Group, PlacementContext, place};
    use crate::rules::Rules;
    use crate::testing::{NOW, job};
    use crate::transition::apply;

    fn silence(fence: u64, index: usize) -> FilePlan {
        let (peaks, levels) = (Peaks::default(), Levels::default());
        FilePlan { fence, index, verified: true, facts: AudioFacts::default(), heard: Heard::Silence, peaks, levels }
    }

    #[test]
    fn change_is_later_than_the_last_one_unless_a_clock_that_ran_ahead_wrote_it() {
        let ctx = Context { now: NOW, rules: &Rules::default(), slot_free: true };
        let claim = Command::Claim { owner: Nonce(uuid::Uuid::from_u128(1)) };
        let claimed = apply(&job(1, 0, true), &claim, ctx).unwrap().job;
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        let ms = Duration::from_millis(1);
        for (before, after) in [(NOW - day, NOW), (NOW, NOW + ms), (NOW + minute, NOW + minute + ms), (NOW + day, NOW)]
        {
            let job = Job { updated_at: before, ..claimed.clone() };
            let planned = plan_file(job.clone(), None, &silence(job.lease.fence, 0), ctx).unwrap();
            assert_eq!(planned.job.updated_at, after, "a plan after {before}");
            let (speech, segment) = (planned.recording, Segment::open(0, 1000, 1000));
            let recording = Recording { plan: Some(Plan::new(vec![segment])), captured_at: Some(NOW), ..speech };
            let group = Group { fence: job.lease.fence, index: 0, answers: vec![(0, Answer::Empty)] };
            let placed = place(job, recording, &group, PlacementContext::default(), ctx).unwrap();
            assert_eq!(placed.job.updated_at, after, "a placement after {before}");
        }
    }

    #[test]
    fn lost_recording_is_created_again_from_its_file() {
        let ctx = Context { now: NOW, rules: &Rules::default(), slot_free: true };
        let claim = Command::Claim { owner: Nonce(uuid::Uuid::from_u128(1)) };
        let job = apply(&job(1, 0, true), &claim, ctx).unwrap().job;
        let planned = plan_file(job.clone(), None, &silence(job.lease.fence, 0), ctx).unwrap();
        assert_eq!((planned.recording.id, planned.recording.state), (job.files[0].recording, State::Silent));
        let fenced = Err(Refusal::Fenced { fence: job.lease.fence });
        assert_eq!(plan_file(job.clone(), None, &silence(job.lease.fence, 1), ctx), fenced, "there is no such file");
        let other = Recording { id: "ab".repeat(16).parse().unwrap(), ..planned.recording };
        assert_eq!(plan_file(job.clone(), Some(other), &silence(job.lease.fence, 0), ctx), fenced);
    }
}
