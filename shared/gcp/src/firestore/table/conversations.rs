//! `conversations`: each document has the conversation as its body, and beside it the conversation's
//! time and state.

use domain::conversation::ConversationState;
use domain::{Conversation, ConversationId, Interval, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use flow::ports::{ConversationQuery, DueDeletion, Page};

use super::{BODY, at, from_body, last_part, listed, place_of, sound, sound_ones, to_body};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{CONVERSATIONS, Path};
use crate::firestore::query::{Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, bytes, moment, text};

pub const FIELDS: &[&str] = &["state", "started_at", "timed", "timed_end", "due_at", BODY];

/// A user's live conversations, oldest first.
pub const LISTED: Shape = Shape {
    name: "conversations.listed",
    collection: CONVERSATIONS,
    of_everybody: false,
    equal: &["state"],
    sorted_by: &["started_at"],
    towards: Towards::Later,
};
/// Live conversations of a stream do not overlap, so ordered by their end they are also ordered by
/// their start.
pub const MEETING: Shape = Shape {
    name: "conversations.meeting",
    collection: CONVERSATIONS,
    of_everybody: false,
    equal: &["timed"],
    sorted_by: &["timed_end"],
    towards: Towards::Later,
};
/// Deleted conversations whose texts are to be removed.
pub const DUE: Shape = Shape {
    name: "conversations.due",
    collection: CONVERSATIONS,
    of_everybody: true,
    equal: &[],
    sorted_by: &["due_at"],
    towards: Towards::Later,
};

/// All conversations of a user by name, which is by id.
pub const IN_ORDER: Shape = Shape {
    name: "conversations.in_order",
    collection: CONVERSATIONS,
    of_everybody: false,
    equal: &[],
    sorted_by: &[],
    towards: Towards::Later,
};

/// The size of the first page: most placements touch one conversation or none.
const FIRST_PAGE_SIZE: usize = 2;
const MAX_PAGE_SIZE: usize = 100;

fn encode(conversation: &Conversation) -> Result<Fields> {
    let timed = conversation.timed.filter(|_| conversation.is_live());
    Ok(Fields::default()
        .with("state", text(conversation.state().as_str()))
        .with("started_at", moment(conversation.started_at()))
        .with_some("timed", timed.map(|_| text(conversation.stream.key())))
        .with_some("timed_end", timed.map(|timed| moment(timed.end)))
        .with_some("due_at", conversation.due_at.map(moment))
        .with(BODY, bytes(to_body(conversation)?)))
}

pub fn decode(document: &Document) -> Result<Conversation> {
    let conversation: Conversation = from_body(document)?;
    let is_it = at(document) == Path::conversation(&conversation.uid, conversation.id).as_str();
    if is_it { Ok(conversation) } else { Err(Fault::damaged(at(document), "its body is of another conversation")) }
}

/// Loads conversations in the given order; damaged ones count as missing.
pub async fn load(unit: &mut Unit<'_>, uid: &Uid, ids: &[ConversationId]) -> Result<Vec<Option<Conversation>>> {
    let paths: Vec<_> = ids.iter().map(|id| Path::conversation(uid, *id)).collect();
    let read = |found: &Option<Document>| Ok(sound(found.as_ref().map(decode).transpose())?.flatten());
    unit.get(&paths).await?.iter().map(read).collect()
}

pub fn save(unit: &mut Unit<'_>, conversation: &Conversation) -> Result<()> {
    unit.put(&Path::conversation(&conversation.uid, conversation.id), encode(conversation)?);
    Ok(())
}

/// All conversations of the user after the cursor, ordered by id, including merged and deleted ones.
/// Damaged ones are returned as errors with their id.
pub async fn in_order(
    unit: &mut Unit<'_>,
    uid: &Uid,
    after: Option<ConversationId>,
    limit: usize,
) -> Result<Vec<(ConversationId, Result<Conversation>)>> {
    let mut query = IN_ORDER.query(Path::user(uid), vec![]);
    if let Some(after) = after {
        query = query.after(vec![unit.place(&Path::conversation(uid, after))]);
    }
    let found = unit.query(query, limit).await?;
    // A document whose name is not one of our ids is left out.
    let one = |document: &Document| Ok(listed(id_of(document))?.map(|id| (id, decode(document))));
    found.iter().filter_map(|document| one(document).transpose()).collect()
}

fn id_of(document: &Document) -> Result<ConversationId> {
    last_part(document).parse().map_err(|error| Fault::damaged(at(document), format!("{error}")))
}

/// A page of a user's live conversations.
pub async fn list(unit: &mut Unit<'_>, asked: &ConversationQuery) -> Result<Vec<Conversation>> {
    let query = LISTED.query(Path::user(&asked.uid), vec![text(ConversationState::Live.as_str())]);
    let place = |(at, id)| vec![moment(at), unit.place(&Path::conversation(&asked.uid, id))];
    let query = query.begin(asked.begin(), place);
    let query = match asked.to {
        Some(to) => query.before(vec![moment(to)]),
        None => query,
    };
    sound_ones(unit, query, asked.page.limit, decode).await
}

/// Live conversations of the stream whose timed interval touches `reach`.
pub async fn meeting(unit: &mut Unit<'_>, uid: &Uid, stream: &str, reach: Interval) -> Result<Vec<Conversation>> {
    let (mut found, mut look) = (Vec::new(), FIRST_PAGE_SIZE);
    let mut query = MEETING.query(Path::user(uid), vec![text(stream)]).from(vec![moment(reach.start)]);
    loop {
        let page = unit.query(query.clone(), look).await?;
        for document in &page {
            let Some(conversation) = listed(decode(document))? else { continue };
            let Some(timed) = conversation.timed else { continue };
            if timed.start > reach.end {
                return Ok(found);
            }
            found.push(conversation);
        }
        let Some(last) = page.last().filter(|_| page.len() == look) else { return Ok(found) };
        let place = place_of(unit, &query.shape, last);
        query = query.after(place);
        look = (look * 4).min(MAX_PAGE_SIZE);
    }
}

/// Deleted conversations whose texts are to be removed by `now`, earliest due first.
pub async fn due(unit: &mut Unit<'_>, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
    let query = DUE.query(Path::ROOT, vec![]).until(vec![moment(now)]);
    let place = |at: &DueDeletion| vec![moment(at.due_at), unit.place(&Path::conversation(&at.uid, at.id))];
    let query = query.begin(page.after.as_ref().into(), place);
    let due = sound_ones(unit, query, page.limit, |document| {
        let due = DueDeletion::of(&decode(document)?);
        due.ok_or_else(|| Fault::damaged(at(document), "it is due at no moment"))
    });
    due.await
}
