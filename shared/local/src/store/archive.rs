//! What outlives jobs, taken out and put in.

use async_trait::async_trait;
use domain::{Bucket, Timestamp, Uid};
use flow::ports::archive::{Archive, Imported, Place, Record, fits};
use rusqlite::Connection;

use super::SqliteStore;
use super::fault::{Fault, Result};
use super::table::recordings::Before;
use super::table::{beside, conversations, lines, recordings, usage};

#[async_trait]
impl Archive for SqliteStore {
    async fn users(&self, after: Option<&Uid>, limit: usize) -> flow::Result<Vec<Uid>> {
        let after = after.map(|uid| uid.as_str().to_owned()).unwrap_or_default();
        self.read("archive.users", "", move |db| users(db, after, limit)).await
    }

    async fn export(&self, uid: &Uid, after: Option<Place>, limit: usize) -> flow::Result<Vec<Record>> {
        let uid = uid.clone();
        self.read("archive.export", "", move |db| export(db, &uid, after, limit)).await
    }

    async fn import(&self, uid: &Uid, records: &[Record]) -> flow::Result<Imported> {
        let (uid, records) = (uid.clone(), records.to_vec());
        self.write("archive.import", "", move |db| import(db, &uid, records)).await
    }
}

/// Whatever a user has came with a recording, and recordings stay for ever.
fn users(db: &Connection, mut after: String, limit: usize) -> Result<Vec<Uid>> {
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(next) = recordings::next_user(db, &after)? else { break };
        found.push(Uid::new(next.as_str()).map_err(|error| Fault::damaged("recordings", &next, error))?);
        after = next;
    }
    Ok(found)
}

fn export(db: &Connection, uid: &Uid, after: Option<Place>, limit: usize) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    if matches!(after, None | Some(Place::Recording(_))) {
        let after = if let Some(Place::Recording(id)) = after { Some(id) } else { None };
        for recording in recordings::in_order(db, uid, after, limit)? {
            let beside = beside::load(db, uid, recording.id)?;
            found.push(Record::Recording { recording: Box::new(recording), beside });
        }
    }
    let left = limit - found.len();
    if left > 0 && !matches!(after, Some(Place::Conversation(_) | Place::Usage(_))) {
        let after = if let Some(Place::Line(recording, start_ms)) = after { Some((recording, start_ms)) } else { None };
        let lines = lines::in_order(db, uid, after, left)?;
        found.extend(lines.into_iter().map(|line| Record::Line(Box::new(line))));
    }
    let left = limit - found.len();
    if left > 0 && !matches!(after, Some(Place::Usage(_))) {
        let after = if let Some(Place::Conversation(id)) = after { Some(id) } else { None };
        let conversations = conversations::in_order(db, uid, after, left)?;
        found.extend(conversations.into_iter().map(|one| Record::Conversation(Box::new(one))));
    }
    let left = limit - found.len();
    if left > 0 {
        let from = if let Some(Place::Usage(hour)) = after { hour.millis().saturating_add(1) } else { i64::MIN };
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(i64::MAX));
        found.extend(usage::list(db, uid, from, to, left)?.into_iter().map(Record::Usage));
    }
    Ok(found)
}

fn import(db: &Connection, uid: &Uid, records: Vec<Record>) -> Result<Imported> {
    if !fits(uid, &records) {
        return Err(Fault::Invalid("these records are too many, or of another user"));
    }
    let mut imported = Imported::default();
    for record in records {
        let there = there(db, uid, &record)?;
        if imported.note(&record, there.as_ref()) {
            write(db, uid, record)?;
        }
    }
    Ok(imported)
}

/// What stands in the record's place.
fn there(db: &Connection, uid: &Uid, record: &Record) -> Result<Option<Record>> {
    Ok(match record {
        Record::Recording { recording, .. } => match recordings::load_one(db, uid, recording.id)? {
            Some(recording) => {
                let beside = beside::load(db, uid, recording.id)?;
                Some(Record::Recording { recording: Box::new(recording), beside })
            }
            None => None,
        },
        Record::Line(line) => lines::load(db, uid, line.segment())?.map(|line| Record::Line(Box::new(line))),
        Record::Conversation(conversation) => {
            conversations::load(db, uid, conversation.id)?.map(|one| Record::Conversation(Box::new(one)))
        }
        Record::Usage(Bucket { hour, .. }) => {
            let next = Timestamp::from_millis(hour.millis().saturating_add(1));
            usage::list(db, uid, *hour, next, 1)?.pop().map(Record::Usage)
        }
    })
}

fn write(db: &Connection, uid: &Uid, record: Record) -> Result<()> {
    match record {
        Record::Recording { mut recording, beside } => {
            recordings::save(db, &mut recording, &Before::NOTHING)?;
            beside::save(db, uid, recording.id, &beside)
        }
        Record::Line(line) => lines::insert(db, &line).map(drop),
        // No timeline stands beside them here: a job in flight reads the conversations themselves.
        Record::Conversation(conversation) => conversations::save(db, &conversation),
        Record::Usage(Bucket { hour, usage }) => usage::add(db, uid, hour, usage),
    }
}
