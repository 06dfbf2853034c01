//! Reads everything that decides where a group of segments is placed.

use domain::placement::{Group, PlacementContext, deleted_times, reach};
use domain::{Interval, Recording};
use rusqlite::Connection;

use super::fault::Result;
use super::redirects::Redirects;
use super::table::{conversations, lines};

pub fn of(db: &Connection, recording: &Recording, group: &Group) -> Result<PlacementContext> {
    let uid = &recording.uid;
    let mut redirects = Redirects::of(db, uid);
    let explicit = recording.conversation_id.map(|id| redirects.follow(id)).transpose()?.flatten();
    let lines = lines::of_recording(db, uid, recording.id, &group.texts())?;
    let mut context = PlacementContext { lines, explicit, ..PlacementContext::default() };
    if let Some(reach) = reach(recording, group) {
        context.near = conversations::meeting(db, uid, &recording.stream.key(), reach)?;
        context.deleted = deleted(&mut redirects, recording, reach)?;
    }
    Ok(context)
}

/// The times of deleted conversations that this recording has segments in: a recording lists every
/// conversation that one of its segments was placed in.
fn deleted(redirects: &mut Redirects<'_>, recording: &Recording, reach: Interval) -> Result<Vec<Interval>> {
    let mut found = Vec::new();
    for id in &recording.conversation_ids {
        found.extend(redirects.follow(*id)?.iter().flat_map(|conversation| deleted_times(conversation, reach)));
    }
    Ok(found)
}
