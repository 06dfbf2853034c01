//! `recordings`: each document has the recording as its body, what is kept beside it, and the first
//! part of its plan. Long plans continue in documents of their own.

use domain::{ConversationId, Levels, Peaks, Plan, Recording, RecordingExtras, RecordingId, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use uuid::Uuid;

use super::{BODY, at, from_body, last_part, listed, sound, sound_ones, to_body};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{Path, RECORDINGS};
use crate::firestore::query::{Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, bytes, bytes_of, number, number_of};

pub const FIELDS: &[&str] = &["plan", "plan_parts", "peaks", "levels", "conversations", BODY];
pub const PART_FIELDS: &[&str] = &["plan"];

/// Recordings by name, which is by id.
pub const IN_ORDER: Shape = Shape {
    name: "recordings.in_order",
    collection: RECORDINGS,
    of_everybody: false,
    equal: &[],
    sorted_by: &[],
    towards: Towards::Later,
};
/// Recordings of all users by name, which is by user first.
pub const USERS: Shape = Shape { name: "recordings.users", of_everybody: true, ..IN_ORDER };

/// Segments in a part of a plan: each takes at most ten bytes, so that a part takes half of what a
/// document may hold.
const PART: usize = 50_000;
/// More parts than a recording can have: its segments start at different milliseconds of 49 days.
const MAX_PARTS: u64 = 1 << 17;

/// How a recording is stored, so that only what changed is written; empty for a new recording.
#[derive(Default)]
pub struct Before {
    body: Vec<u8>,
    conversations: Vec<u8>,
    peaks: Option<Vec<u8>>,
    levels: Option<Vec<u8>>,
    parts: Vec<Vec<u8>>,
}

/// A recording, and how it is stored. A damaged one counts as missing, and is overwritten when it is
/// created again.
pub type Known = (Option<Recording>, Before);

pub async fn load_one(unit: &mut Unit<'_>, uid: &Uid, id: RecordingId) -> Result<Known> {
    Ok(load(unit, uid, &[id]).await?.pop().unwrap_or_default())
}

/// Loads recordings in the given order.
pub async fn load(unit: &mut Unit<'_>, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Known>> {
    let paths: Vec<_> = ids.iter().map(|id| Path::recording(uid, *id)).collect();
    let documents = unit.get(&paths).await?;
    finish(unit, uid, &documents).await
}

/// Decodes recordings, and reads the remaining parts of their plans.
pub async fn finish(unit: &mut Unit<'_>, uid: &Uid, documents: &[Option<Document>]) -> Result<Vec<Known>> {
    let mut found = Vec::with_capacity(documents.len());
    for document in documents {
        let read = match document {
            Some(document) => sound(finish_one(unit, uid, document).await)?,
            None => None,
        };
        found.push(match read {
            Some((recording, before)) => (Some(recording), before),
            None => Known::default(),
        });
    }
    Ok(found)
}

/// The user's recordings after the cursor, ordered by id, with what is kept beside them. Damaged ones
/// are returned as errors with their id.
pub async fn in_order(
    unit: &mut Unit<'_>,
    uid: &Uid,
    after: Option<RecordingId>,
    limit: usize,
) -> Result<Vec<(RecordingId, Result<(Recording, RecordingExtras)>)>> {
    let mut query = IN_ORDER.query(Path::user(uid), vec![]);
    if let Some(after) = after {
        query = query.after(vec![unit.place(&Path::recording(uid, after))]);
    }
    let documents = unit.query(query, limit).await?;
    let mut found = Vec::with_capacity(documents.len());
    for document in &documents {
        // A document whose name is not one of our ids is left out.
        let Some(id) = listed(id_of(document))? else { continue };
        found.push((id, with_extras(unit, uid, document).await));
    }
    Ok(found)
}

fn id_of(document: &Document) -> Result<RecordingId> {
    last_part(document).parse().map_err(|error| Fault::damaged(at(document), format!("{error}")))
}

/// The user of the first recording after those of `after`.
pub async fn next_user(unit: &mut Unit<'_>, after: Option<&Uid>) -> Result<Option<Uid>> {
    let mut query = USERS.query(Path::ROOT, vec![]);
    if let Some(after) = after {
        query = query.after(vec![unit.place(&Path::after_recordings(after))]);
    }
    // A damaged recording does not tell its user, so the user's next recording is taken.
    let his = sound_ones(unit, query, 1, |document| {
        let recording: Recording = from_body(document)?;
        // Otherwise the next query would return here again.
        let is_his = at(document) == Path::recording(&recording.uid, recording.id).as_str();
        if is_his { Ok(recording.uid) } else { Err(Fault::damaged(at(document), "its body is of another recording")) }
    });
    Ok(his.await?.pop())
}

async fn finish_one(unit: &mut Unit<'_>, uid: &Uid, document: &Document) -> Result<(Recording, Before)> {
    let mut recording: Recording = from_body(document)?;
    if recording.uid != *uid || at(document) != Path::recording(uid, recording.id).as_str() {
        return Err(Fault::damaged(at(document), "its body is of another recording"));
    }
    let mut parts: Vec<Vec<u8>> = bytes_of(document, "plan").map(<[u8]>::to_vec).into_iter().collect();
    let all = number_of(document, "plan_parts").unwrap_or_default().min(MAX_PARTS) as usize;
    if all > 1 {
        let paths: Vec<_> = (1..all).map(|part| Path::plan_part(uid, recording.id, part)).collect();
        for (part, path) in unit.get(&paths).await?.iter().zip(&paths) {
            let packed = part.as_ref().and_then(|part| bytes_of(part, "plan"));
            parts.push(packed.ok_or_else(|| Fault::damaged(path.as_str(), "it is gone"))?.to_vec());
        }
    }
    recording.plan = unpack(&parts).map_err(|why| Fault::damaged(at(document), why))?;
    let body = bytes_of(document, BODY).unwrap_or_default().to_vec();
    let conversations = bytes_of(document, "conversations").unwrap_or_default().to_vec();
    let (ids, rest) = conversations.as_chunks();
    if !rest.is_empty() {
        return Err(Fault::damaged(at(document), "its conversations"));
    }
    recording.conversation_ids.extend(ids.iter().map(|id| ConversationId(Uuid::from_bytes(*id))));
    let peaks = bytes_of(document, "peaks").map(<[u8]>::to_vec);
    let levels = bytes_of(document, "levels").map(<[u8]>::to_vec);
    Ok((recording, Before { body, conversations, peaks, levels, parts }))
}

/// Decodes a recording, and what is kept beside it.
pub async fn with_extras(unit: &mut Unit<'_>, uid: &Uid, document: &Document) -> Result<(Recording, RecordingExtras)> {
    let (recording, _) = finish_one(unit, uid, document).await?;
    Ok((recording, extras_of(document)?))
}

/// As JSON text, the ids of weeks of short talks would not fit into a document.
fn pack_ids(ids: &[ConversationId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0.into_bytes()).collect()
}

fn unpack(parts: &[Vec<u8>]) -> std::result::Result<Option<Plan>, domain::plan::DamagedPlan> {
    if parts.is_empty() {
        return Ok(None);
    }
    let mut segments = Vec::new();
    for part in parts {
        segments.extend_from_slice(Plan::unpack(part)?.segments());
    }
    Ok(Some(Plan::new(segments)))
}

fn pack(plan: &Plan) -> Vec<Vec<u8>> {
    if plan.segments().is_empty() {
        return vec![Vec::new()];
    }
    plan.segments().chunks(PART).map(|part| Plan::new(part.to_vec()).pack()).collect()
}

/// Writes what differs from `before`. Stored data that is missing in `extras` stays as it is.
pub fn save(unit: &mut Unit<'_>, recording: Recording, extras: &RecordingExtras, before: &Before) -> Result<Recording> {
    let mut recording = recording;
    let (plan, ids) = (recording.plan.take(), std::mem::take(&mut recording.conversation_ids));
    let body = to_body(&recording)?;
    let (parts, conversations) = (plan.as_ref().map(pack).unwrap_or_default(), pack_ids(&ids));
    (recording.plan, recording.conversation_ids) = (plan, ids);
    let peaks = extras.peaks.as_ref().map(|peaks| peaks.pack().to_vec()).or_else(|| before.peaks.clone());
    let levels = extras.levels.as_ref().map(Levels::pack).or_else(|| before.levels.clone());
    let (uid, id) = (&recording.uid, recording.id);
    let stored = before.parts.iter().map(Some).chain(std::iter::repeat(None));
    for (number, (part, stored)) in parts.iter().zip(stored).enumerate().skip(1) {
        if stored != Some(part) {
            unit.put(&Path::plan_part(uid, id, number), Fields::default().with("plan", bytes(part.clone())));
        }
    }
    let same_plan = parts.first() == before.parts.first() && parts.len() == before.parts.len();
    let same_extras = peaks == before.peaks && levels == before.levels;
    let same_rest = body == before.body && conversations == before.conversations && same_extras;
    if !same_plan || !same_rest {
        let count = number(parts.len() as u64);
        let fields = Fields::default()
            .with("plan_parts", count)
            .with_some("plan", parts.into_iter().next().map(bytes))
            .with_some("peaks", peaks.map(bytes))
            .with_some("levels", levels.map(bytes))
            .with_some("conversations", Some(conversations).filter(|packed| !packed.is_empty()).map(bytes))
            .with(BODY, bytes(body));
        unit.put(&Path::recording(uid, id), fields);
    }
    Ok(recording)
}

/// Reads only what is kept beside a recording.
pub async fn extras(unit: &mut Unit<'_>, uid: &Uid, id: RecordingId) -> Result<RecordingExtras> {
    let path = Path::recording(uid, id);
    Ok(sound(unit.one(&path).await?.as_ref().map_or(Ok(RecordingExtras::default()), extras_of))?.unwrap_or_default())
}

fn extras_of(document: &Document) -> Result<RecordingExtras> {
    let peaks = bytes_of(document, "peaks").map(Peaks::unpack).transpose();
    let peaks = peaks.map_err(|why| Fault::damaged(at(document), why))?;
    let levels = bytes_of(document, "levels").map(Levels::unpack).transpose();
    let levels = levels.map_err(|why| Fault::damaged(at(document), why))?;
    Ok(RecordingExtras { peaks, levels })
}
