//! Export and import of the data that outlives jobs.

use std::collections::BTreeMap;

use domain::archive::{Part, check, parts_after};
use domain::{Bucket, Conversation, InvalidWrite, Timestamp, Uid};
use flow::ports::archive::{Imported, Record, RecordKey};

use super::fault::Result;
use super::path::Path;
use super::table::recordings::Before;
use super::table::timelines::{self, Timeline};
use super::table::{conversations, lines, listed, recordings, usage};
use super::unit_of_work::Unit;

/// Lists the users who have a recording. That is everybody who has any data, because recordings are
/// never deleted.
pub async fn users(unit: &mut Unit<'_>, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>> {
    let mut found: Vec<Uid> = Vec::new();
    while found.len() < limit {
        let Some(next) = recordings::next_user(unit, found.last().or(after)).await? else { break };
        found.push(next);
    }
    Ok(found)
}

pub async fn export(unit: &mut Unit<'_>, uid: &Uid, after: Option<RecordKey>, limit: usize) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    for part in parts_after(after) {
        let left = limit - found.len();
        if left == 0 {
            break;
        }
        found.extend(match part {
            Part::Recordings(after) => {
                exported(recordings::in_order(unit, uid, after, left).await?, RecordKey::Recording)?
            }
            Part::Lines(after) => exported(lines::in_order(unit, uid, after, left).await?, RecordKey::of_line)?,
            Part::Conversations(after) => {
                exported(conversations::in_order(unit, uid, after, left).await?, RecordKey::Conversation)?
            }
            Part::Usage(after) => exported(usage::in_order(unit, uid, after, left).await?, RecordKey::Usage)?,
        });
    }
    Ok(found)
}

fn exported<K, T: Into<Record>>(read: Vec<(K, Result<T>)>, place: impl Fn(K) -> RecordKey) -> Result<Vec<Record>> {
    read.into_iter().map(|(key, read)| or_unreadable(place(key), read)).collect()
}

/// A record that cannot be read is reported by its position.
fn or_unreadable<T: Into<Record>>(place: RecordKey, read: Result<T>) -> Result<Record> {
    Ok(listed(read)?.map_or(Record::Unreadable(place), T::into))
}

pub async fn import(unit: &mut Unit<'_>, uid: &Uid, records: &[Record]) -> Result<Imported> {
    check(uid, records)?;
    let stored = existing(unit, uid, records).await?;
    let mut imported = Imported::default();
    let mut new = Vec::new();
    for (record, existing) in records.iter().zip(&stored) {
        if imported.note(record, existing.as_ref()) {
            new.push(record);
        }
    }
    let timelines = with_deletions(unit, uid, &new).await?;
    new.into_iter().try_for_each(|record| write(unit, uid, record))?;
    for (stream, timeline) in timelines {
        timelines::save(unit, uid, &stream, timeline);
    }
    Ok(imported)
}

/// The stored records at the same positions, read at once.
async fn existing(unit: &mut Unit<'_>, uid: &Uid, records: &[Record]) -> Result<Vec<Option<Record>>> {
    let path = |record: &Record| match record.key() {
        RecordKey::Recording(id) => Path::recording(uid, id),
        RecordKey::Line(recording, start_ms) => Path::line(uid, recording, start_ms),
        RecordKey::Conversation(id) => Path::conversation(uid, id),
        RecordKey::Usage(hour) => Path::usage(uid, hour),
    };
    let paths: Vec<_> = records.iter().map(path).collect();
    let documents = unit.get(&paths).await?;
    let mut existing = Vec::with_capacity(records.len());
    for (record, document) in records.iter().zip(documents) {
        let Some(document) = document else {
            existing.push(None);
            continue;
        };
        let read = match record.key() {
            RecordKey::Recording(_) => recordings::with_extras(unit, uid, &document).await.map(Record::from),
            RecordKey::Line(..) => lines::decode(&document).map(Record::from),
            RecordKey::Conversation(_) => conversations::decode(&document).map(Record::from),
            RecordKey::Usage(_) => usage::decode(&document).map(Record::from),
        };
        existing.push(Some(or_unreadable(record.key(), read)?));
    }
    Ok(existing)
}

/// The timelines of the streams for which a deleted conversation is imported. A job reads the timeline
/// before it places more segments of the same recording.
async fn with_deletions(unit: &mut Unit<'_>, uid: &Uid, new: &[&Record]) -> Result<BTreeMap<String, Timeline>> {
    let mut deleted: BTreeMap<String, Timestamp> = BTreeMap::new();
    for record in new {
        let Record::Conversation(conversation) = record else { continue };
        let Conversation { stream, deleted_at: Some(at), .. } = &**conversation else { continue };
        let latest = deleted.entry(stream.key()).or_insert(*at);
        *latest = (*latest).max(*at);
    }
    let paths: Vec<_> = deleted.keys().map(|stream| Path::timeline(uid, stream)).collect();
    let documents = if paths.is_empty() { Vec::new() } else { unit.get(&paths).await? };
    let with = |((stream, at), document): ((String, Timestamp), Option<_>)| {
        let mut timeline = timelines::decode(document.as_ref(), at);
        timeline.deleted_at = timeline.deleted_at.max(Some(at));
        (stream, timeline)
    };
    Ok(deleted.into_iter().zip(documents).map(with).collect())
}

fn write(unit: &mut Unit<'_>, uid: &Uid, record: &Record) -> Result<()> {
    match record {
        Record::Recording { recording, extras } => {
            recordings::save(unit, (**recording).clone(), extras, &Before::default()).map(drop)
        }
        Record::Line(line) => lines::create(unit, line),
        Record::Conversation(conversation) => conversations::save(unit, conversation),
        Record::Usage(Bucket { hour, usage }) => usage::add(unit, uid, *hour, None, *usage),
        Record::Unreadable(_) => Err(InvalidWrite::UnreadableRecord.into()),
    }
}
