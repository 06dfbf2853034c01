//! The caller's conversations, by id or by time.

use std::sync::Arc;

use axum::extract::State;
use domain::listing::{ConversationCursor, cut};
use domain::{Code, ConversationId, Timestamp, Uid};
use edge::{Caller, Json, Path, Problem, Query};
use flow::Services;
use flow::ports::{ConversationPage, ConversationQuery, LibraryStore, LineCursor, LineQuery, Page};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::cursor;
use crate::jobs::parse_limit;
use crate::view::conversation::{ConversationList, ConversationView};

type Library = Arc<dyn LibraryStore>;

const MAX_IDS: usize = 100;
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;
/// The number of lines of one conversation in one answer.
const MAX_LINES: usize = 500;
/// The number of lines of all conversations in one answer; the rest come without lines, but with a cursor.
const MAX_LINES_TOGETHER: usize = 5000;

edge::problems!(ReadProblems: WITH_TOKEN; InvalidParameter, InvalidCursor, ConversationNotFound);
edge::problems!(DeleteProblems: WITH_TOKEN; ConversationNotFound);
edge::problems!(ListProblems: WITH_TOKEN; InvalidParameter, InvalidCursor);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One conversation, with a page of its segments
///
/// A conversation that was merged into another answers with that one.
#[utoipa::path(
    get, path = "/v2/conversations/{conversation_id}", operation_id = "get_conversation", tag = "conversations",
    params(("conversation_id" = String, Path), Paging),
    responses((status = 200, description = "The conversation.", body = ConversationView), ReadProblems)
)]
pub async fn one(
    State(library): State<Library>,
    Caller(uid): Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<ConversationView>, Problem> {
    let id: ConversationId = id.parse().map_err(|_| unknown())?;
    let after = paging.cursor.as_deref().map(cursor::line).transpose()?;
    let page = page(&library, &uid, id, after, MAX_LINES).await?.ok_or_else(unknown)?;
    Ok(Json(ConversationView::of(&page)))
}

fn unknown() -> Problem {
    Problem::new(Code::ConversationNotFound, "There is no such conversation.")
}

/// Delete a conversation for good
///
/// Its texts are removed. The same audio, uploaded again, does not bring it back. If it was merged, the
/// conversation that it was merged into is deleted.
#[utoipa::path(
    delete, path = "/v2/conversations/{conversation_id}", operation_id = "delete_conversation", tag = "conversations",
    params(("conversation_id" = String, Path)),
    responses((status = 204, description = "The conversation is deleted."), DeleteProblems)
)]
pub async fn delete(
    State(services): State<Services>,
    Caller(uid): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: ConversationId = id.parse().map_err(|_| unknown())?;
    let deleted = flow::conversation::delete(&services, &uid, id).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}

async fn page(
    library: &Library,
    uid: &Uid,
    id: ConversationId,
    after: Option<LineCursor>,
    lines: usize,
) -> Result<Option<ConversationPage>, Problem> {
    let page = Page { after, limit: lines };
    Ok(library.conversation(&LineQuery::of(uid, id, page)).await?)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listing {
    /// Comma-separated. Unknown ones are left out. If this is set, all other parameters are ignored.
    #[param(value_type = Option<Vec<uuid::Uuid>>, style = Form, explode = false, max_items = 100)]
    ids: Option<String>,
    /// Conversations that began at or after this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// …and before this one.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100, default = 20)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The caller's conversations, by id or by time
///
/// In order of their start. Long ones come with their first segments and a cursor.
#[utoipa::path(
    get, path = "/v2/conversations", operation_id = "list_conversations", tag = "conversations", params(Listing),
    responses((status = 200, description = "Conversations.", body = ConversationList), ListProblems)
)]
pub async fn list(
    State(library): State<Library>,
    Caller(uid): Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<ConversationList>, Problem> {
    // The range is checked even where ids make it irrelevant: a mistake in it is reported.
    let range = Range::of(&listing)?;
    let (ids, next) = match &listing.ids {
        Some(ids) => (parse_ids(ids)?, None),
        None => by_time(&library, &uid, range).await?,
    };
    let (mut bodies, mut room) = (Vec::new(), MAX_LINES_TOGETHER);
    for id in ids {
        // Each conversation comes with at least one line, so that its cursor can go on from there.
        let Some(page) = page(&library, &uid, id, None, room.clamp(1, MAX_LINES)).await? else { continue };
        room = room.saturating_sub(page.lines.len());
        bodies.push(ConversationView::of(&page));
    }
    Ok(Json(ConversationList { conversations: bodies, next_cursor: next }))
}

fn parse_ids(text: &str) -> Result<Vec<ConversationId>, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidParameter, detail);
    let mut ids: Vec<ConversationId> = Vec::new();
    for text in text.split(',').filter(|text| !text.is_empty()) {
        let id = text.parse().map_err(|why| wrong(format!("ids: {why}.")))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
        if ids.len() > MAX_IDS {
            return Err(wrong(format!("The parameter ids may name {MAX_IDS} conversations.")));
        }
    }
    Ok(ids)
}

/// The requested page of a listing by time.
struct Range {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<ConversationCursor>,
    limit: usize,
}

impl Range {
    fn of(listing: &Listing) -> Result<Self, Problem> {
        let limit = listing.limit.as_deref().map_or(Ok(DEFAULT_LIMIT), |text| parse_limit(text, MAX_LIMIT))?;
        let (from, to) = (moment("from", listing.from.as_deref())?, moment("to", listing.to.as_deref())?);
        let after = listing.cursor.as_deref().map(cursor::conversation).transpose()?;
        Ok(Self { from, to, after, limit })
    }
}

async fn by_time(library: &Library, uid: &Uid, range: Range) -> Result<(Vec<ConversationId>, Option<String>), Problem> {
    let Range { from, to, after, limit } = range;
    let page = Page { after, limit: limit + 1 };
    let mut found = library.conversations(&ConversationQuery { uid: uid.clone(), from, to, page }).await?;
    let more = cut(&mut found, limit);
    let next = found.last().filter(|_| more).map(|last| cursor::of_conversation(last.started_at(), last.id));
    Ok((found.into_iter().map(|conversation| conversation.id).collect(), next))
}

pub fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| text.parse().map_err(|why| Problem::new(Code::InvalidParameter, format!("{name}: {why}."))))
        .transpose()
}
