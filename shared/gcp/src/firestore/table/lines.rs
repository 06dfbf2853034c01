//! `lines`: the text of a segment, stored under its recording and found by its place.

use std::collections::HashSet;

use domain::line::FoundBy;
use domain::listing::Begin;
use domain::texts::in_order as in_order_of_time;
use domain::{Conversation, ConversationId, Line, RecordingId, SegmentId, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use flow::ports::LineCursor;

use super::{BODY, at, from_body, last_part, listed, sound, sound_ones, to_body};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{LINES, Path};
use crate::firestore::query::{Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, any_of, bytes, moment, text};

pub const FIELDS: &[&str] = &["timed", "attached", "starts_at", BODY];

/// A merge moves no line: a conversation has all lines in its interval of the stream's time.
pub const TIMED: Shape = Shape {
    name: "lines.timed",
    collection: LINES,
    of_everybody: false,
    equal: &["timed"],
    sorted_by: &["starts_at"],
    towards: Towards::Later,
};
pub const ATTACHED: Shape = Shape {
    name: "lines.attached",
    collection: LINES,
    of_everybody: false,
    equal: &["attached"],
    sorted_by: &["starts_at"],
    towards: Towards::Later,
};
/// Lines by name, which is by recording and start.
pub const OF_RECORDING: Shape = Shape {
    name: "lines.of_recording",
    collection: LINES,
    of_everybody: false,
    equal: &[],
    sorted_by: &[],
    towards: Towards::Later,
};

/// The most values that a query accepts for one field.
const MAX_IDS: usize = 30;

fn path_of(line: &Line) -> Path {
    Path::line(&line.uid, line.recording, line.start_ms)
}

fn encode(line: &Line) -> Result<Fields> {
    let found_by = match line.found_by() {
        None => Fields::default(),
        Some(FoundBy::Time) => Fields::default().with("timed", text(line.stream.key())),
        Some(FoundBy::Id(id)) => Fields::default().with("attached", text(id.to_string())),
    };
    Ok(found_by.with("starts_at", moment(line.starts_at)).with(BODY, bytes(to_body(line)?)))
}

pub fn decode(document: &Document) -> Result<Line> {
    let line: Line = from_body(document)?;
    let is_it = at(document) == path_of(&line).as_str();
    if is_it { Ok(line) } else { Err(Fault::damaged(at(document), "its body is of another line")) }
}

/// Stores a text that must be the first of its segment.
pub fn create(unit: &mut Unit<'_>, line: &Line) -> Result<()> {
    unit.create(&path_of(line), encode(line)?);
    Ok(())
}

pub fn update(unit: &mut Unit<'_>, line: &Line) -> Result<()> {
    unit.put(&path_of(line), encode(line)?);
    Ok(())
}

/// The paths of the lines of these segments, in order of time.
pub fn paths(uid: &Uid, recording: RecordingId, starts: &[u32]) -> Vec<Path> {
    in_order_of_time(starts).into_iter().map(|start_ms| Path::line(uid, recording, start_ms)).collect()
}

/// Decodes the lines that were found; damaged ones count as missing.
pub fn all(documents: &[Option<Document>]) -> Result<Vec<Line>> {
    documents.iter().flatten().filter_map(|line| sound(decode(line)).transpose()).collect()
}

/// What is stored for a segment.
#[derive(Clone)]
pub enum Stored {
    Nothing,
    Line(Line),
    Damaged,
}

/// What is stored for the segment of each of these lines.
pub async fn stored(unit: &mut Unit<'_>, lines: &[Line]) -> Result<Vec<Stored>> {
    let paths: Vec<_> = lines.iter().map(path_of).collect();
    let stored = |found: &Option<Document>| {
        let Some(document) = found else { return Ok(Stored::Nothing) };
        Ok(sound(decode(document))?.map_or(Stored::Damaged, Stored::Line))
    };
    unit.get(&paths).await?.iter().map(stored).collect()
}

/// The stored lines of these segments, for many segments of which few may be stored: a missing line
/// costs nothing. It reads at most twice as many documents as there are segments.
pub async fn of_recording(unit: &mut Unit<'_>, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
    let paths = paths(uid, recording, starts);
    let (Some(first), Some(last)) = (paths.first(), paths.last()) else { return Ok(Vec::new()) };
    let query = OF_RECORDING.query(Path::user(uid), vec![]);
    let query = query.from(vec![unit.place(first)]).until(vec![unit.place(last)]);
    let mut found = unit.query(query, paths.len()).await?;
    let wanted: HashSet<&str> = paths.iter().map(Path::as_str).collect();
    // A full page may have left some lines out, so those are read by name.
    let seen = found.last().filter(|_| found.len() == paths.len()).map(|last| at(last).to_owned());
    found.retain(|document| wanted.contains(at(document)));
    if let Some(seen) = seen {
        let left: Vec<_> = paths.iter().filter(|path| path.as_str() > seen.as_str()).cloned().collect();
        found.extend(unit.get(&left).await?.into_iter().flatten());
    }
    found.iter().filter_map(|line| sound(decode(line)).transpose()).collect()
}

/// The user's lines after the cursor, ordered by segment. Damaged ones are returned as errors with
/// their segment.
pub async fn in_order(
    unit: &mut Unit<'_>,
    uid: &Uid,
    after: Option<(RecordingId, u32)>,
    limit: usize,
) -> Result<Vec<(SegmentId, Result<Line>)>> {
    let mut query = OF_RECORDING.query(Path::user(uid), vec![]);
    if let Some((recording, start_ms)) = after {
        query = query.after(vec![unit.place(&Path::line(uid, recording, start_ms))]);
    }
    let found = unit.query(query, limit).await?;
    // A document whose name is not a segment of ours is left out.
    let line = |document: &Document| Ok(listed(segment_of(document))?.map(|segment| (segment, decode(document))));
    found.iter().filter_map(|document| line(document).transpose()).collect()
}

fn segment_of(document: &Document) -> Result<SegmentId> {
    let parts = last_part(document).rsplit_once('-');
    let segment = parts.and_then(|(recording, start)| {
        Some(SegmentId { recording: recording.parse().ok()?, start_ms: start.parse().ok()? })
    });
    segment.ok_or_else(|| Fault::damaged(at(document), "it has no segment"))
}

fn cursor(unit: &Unit<'_>, uid: &Uid, line: LineCursor) -> Vec<Value> {
    vec![moment(line.starts_at), unit.place(&Path::line(uid, line.recording, line.start_ms))]
}

/// Lines placed by time in the conversation's stream, within the conversation's time, in order. Damaged
/// ones do not count towards a page.
pub async fn timed(
    unit: &mut Unit<'_>,
    conversation: &Conversation,
    begin: Begin<LineCursor>,
    end: Timestamp,
    limit: usize,
) -> Result<Vec<Line>> {
    let uid = &conversation.uid;
    let query = TIMED.query(Path::user(uid), vec![text(conversation.stream.key())]).until(vec![moment(end)]);
    let query = query.begin(begin, |line| cursor(unit, uid, line));
    sound_ones(unit, query, limit, decode).await
}

/// Lines attached under one of these ids. They are in order for each group of thirty ids.
pub async fn attached(
    unit: &mut Unit<'_>,
    uid: &Uid,
    ids: &[ConversationId],
    after: Option<LineCursor>,
    limit: usize,
) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    for ids in ids.chunks(MAX_IDS) {
        let query = ATTACHED.query(Path::user(uid), vec![any_of(ids.iter().map(|id| text(id.to_string())))]);
        let query = query.begin(after.into(), |line| cursor(unit, uid, line));
        found.extend(sound_ones(unit, query, limit, decode).await?);
    }
    Ok(found)
}
