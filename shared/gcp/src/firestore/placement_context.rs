//! Reads everything that decides where a group of segments is placed, with as few document reads as
//! possible.

use std::time::Duration;

use domain::placement::{Group, PlacementContext, deleted_times, reach};
use domain::{Conversation, ConversationId, JobFile, Recording, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use flow::ports::At;

use super::fault::Result;
use super::path::Path;
use super::redirects::Redirects;
use super::table::recordings::{self, Before};
use super::table::timelines::{self, Timeline};
use super::table::{conversations, lines};
use super::unit_of_work::Unit;

/// How far the clocks of two servers may differ. A conversation that was deleted longer than this
/// before a recording was created contains nothing of it.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3600);

pub struct PlacementRead {
    pub recording: Recording,
    pub before: Before,
    pub context: PlacementContext,
    /// Read if something may be placed by time.
    pub timeline: Option<Timeline>,
    /// This hour's usage, read if something may be counted.
    pub usage: Option<Document>,
}

/// Reads the context; `None` if the recording does not exist.
pub async fn of(
    unit: &mut Unit<'_>,
    uid: &Uid,
    file: &JobFile,
    group: &Group,
    at: &At<'_>,
) -> Result<Option<PlacementRead>> {
    let texts = group.texts();
    let mut paths = vec![Path::recording(uid, file.recording)];
    if !texts.is_empty() {
        paths.push(Path::usage(uid, at.now.hour()));
        paths.push(Path::timeline(uid, &file.stream.key()));
        paths.extend(lines::paths(uid, file.recording, &texts));
    }
    let mut documents = unit.get(&paths).await?;
    let found = lines::all(&documents.split_off(documents.len().min(3)))?;
    let mut rest = documents.into_iter();
    let recording = [rest.next().flatten()];
    let (Some(recording), before) = recordings::finish(unit, uid, &recording).await?.pop().unwrap_or_default() else {
        return Ok(None);
    };
    let (usage, timeline) = (rest.next().flatten(), rest.next().flatten());
    let mut context = PlacementContext { lines: found, ..PlacementContext::default() };
    let timeline = by_time(unit, &recording, group, timeline.as_ref(), &mut context, at.now).await?;
    Ok(Some(PlacementRead { recording, before, context, timeline, usage }))
}

/// Reads the conversations near in time. Audio attached to a live conversation does not need them: that
/// conversation's document serializes the writers.
async fn by_time(
    unit: &mut Unit<'_>,
    recording: &Recording,
    group: &Group,
    timeline: Option<&Document>,
    context: &mut PlacementContext,
    now: Timestamp,
) -> Result<Option<Timeline>> {
    let Some(reach) = reach(recording, group) else { return Ok(None) };
    let mut redirects = Redirects::of(&recording.uid);
    if let Some(id) = recording.conversation_id {
        context.explicit = redirects.follow(unit, id).await?;
        if context.explicit.as_ref().is_none_or(Conversation::is_live) {
            return Ok(None);
        }
    }
    let timeline = timelines::decode(timeline, now);
    context.near = conversations::meeting(unit, &recording.uid, &recording.stream.key(), reach).await?;
    let maybe_deleted = maybe_deleted(recording, &timeline, context);
    let ends = redirects.ends(unit, &maybe_deleted).await?;
    context.deleted.extend(ends.iter().flatten().flat_map(|conversation| deleted_times(conversation, reach)));
    Ok(Some(timeline))
}

/// The recording's conversations that may have been deleted. A recording lists every conversation that
/// one of its segments was placed in. There are none if the timeline had no deletion since the
/// recording was created.
fn maybe_deleted(recording: &Recording, timeline: &Timeline, context: &PlacementContext) -> Vec<ConversationId> {
    let recent = timeline.deleted_at.is_some_and(|at| at + MAX_CLOCK_SKEW >= recording.created_at);
    let mut maybe_deleted = recording.conversation_ids.clone();
    maybe_deleted.retain(|id| recent && context.near.iter().all(|near| near.id != *id));
    maybe_deleted.extend(context.explicit.as_ref().map(|gone| gone.id));
    maybe_deleted
}
