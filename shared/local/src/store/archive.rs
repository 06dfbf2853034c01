//! Export and import of the data that outlives jobs.

use async_trait::async_trait;
use domain::archive::{Part, check, parts_after};
use domain::{Bucket, InvalidWrite, Recording, RecordingExtras, SegmentId, Uid};
use flow::ports::archive::{Archive, Imported, Record, RecordKey};
use rusqlite::Connection;

use super::SqliteStore;
use super::fault::{Fault, Result, listed};
use super::table::recordings::Before;
use super::table::{conversations, extras, lines, recordings, usage};

#[async_trait]
impl Archive for SqliteStore {
    async fn users(&self, after: Option<&Uid>, limit: usize) -> flow::Result<Vec<Uid>> {
        let after = after.map(|uid| uid.as_str().to_owned()).unwrap_or_default();
        self.read("archive.users", "", move |db| users(db, after, limit)).await
    }

    async fn export(&self, uid: &Uid, after: Option<RecordKey>, limit: usize) -> flow::Result<Vec<Record>> {
        let uid = uid.clone();
        self.read("archive.export", "", move |db| export(db, &uid, after, limit)).await
    }

    async fn import(&self, uid: &Uid, records: &[Record]) -> flow::Result<Imported> {
        let (uid, records) = (uid.clone(), records.to_vec());
        self.write("archive.import", "", move |db| import(db, &uid, records)).await
    }
}

/// Lists the users who have a recording. That is everybody who has any data, because recordings are
/// never deleted.
fn users(db: &Connection, mut after: String, limit: usize) -> Result<Vec<Uid>> {
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(next) = recordings::next_user(db, &after)? else { break };
        let uid = Uid::new(next.as_str()).map_err(|error| Fault::damaged("recordings", &next, error));
        found.extend(listed(uid)?);
        after = next;
    }
    Ok(found)
}

fn export(db: &Connection, uid: &Uid, after: Option<RecordKey>, limit: usize) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    for part in parts_after(after) {
        let left = limit - found.len();
        found.extend(match part {
            Part::Recordings(after) => {
                let read = recordings::in_order(db, uid, after, left)?.into_iter();
                let read = read.map(|(id, read)| (id, read.and_then(|recording| with_extras(db, recording))));
                records(read.collect(), RecordKey::Recording)?
            }
            Part::Lines(after) => records(lines::in_order(db, uid, after, left)?, RecordKey::of_line)?,
            Part::Conversations(after) => {
                records(conversations::in_order(db, uid, after, left)?, RecordKey::Conversation)?
            }
            Part::Usage(after) => records(usage::in_order(db, uid, after, left)?, RecordKey::Usage)?,
        });
    }
    Ok(found)
}

fn with_extras(db: &Connection, recording: Recording) -> Result<(Recording, RecordingExtras)> {
    let extras = extras::load(db, &recording.uid, recording.id)?;
    Ok((recording, extras))
}

/// A record that cannot be read is reported by its position.
fn records<K, T: Into<Record>>(read: Vec<(K, Result<T>)>, place: impl Fn(K) -> RecordKey) -> Result<Vec<Record>> {
    let record = |(key, read)| Ok(listed(read)?.map_or_else(|| Record::Unreadable(place(key)), T::into));
    read.into_iter().map(record).collect()
}

fn import(db: &Connection, uid: &Uid, records: Vec<Record>) -> Result<Imported> {
    check(uid, &records)?;
    let mut imported = Imported::default();
    for record in records {
        let existing = existing(db, uid, record.key())?;
        if imported.note(&record, existing.as_ref()) {
            write(db, uid, record)?;
        }
    }
    Ok(imported)
}

/// The stored record at this position.
fn existing(db: &Connection, uid: &Uid, place: RecordKey) -> Result<Option<Record>> {
    let found = match place {
        RecordKey::Recording(id) => recordings::load_as_stored(db, uid, id)
            .and_then(|found| Ok(found.map(|recording| with_extras(db, recording)).transpose()?.map(Record::from))),
        RecordKey::Line(recording, start_ms) => {
            lines::load_as_stored(db, uid, SegmentId { recording, start_ms }).map(|line| line.map(Record::from))
        }
        RecordKey::Conversation(id) => conversations::load_as_stored(db, uid, id).map(|one| one.map(Record::from)),
        RecordKey::Usage(hour) => usage::load(db, uid, hour).map(|bucket| bucket.map(Record::from)),
    };
    Ok(listed(found)?.unwrap_or(Some(Record::Unreadable(place))))
}

fn write(db: &Connection, uid: &Uid, record: Record) -> Result<()> {
    match record {
        Record::Recording { mut recording, extras } => {
            recordings::save(db, &mut recording, &Before::NOTHING)?;
            extras::save(db, uid, recording.id, &extras)
        }
        Record::Line(line) => lines::insert(db, &line).map(drop),
        // This adapter keeps no timelines: a job in progress reads the conversations themselves.
        Record::Conversation(conversation) => conversations::save(db, &conversation),
        Record::Usage(Bucket { hour, usage }) => usage::add(db, uid, hour, usage),
        Record::Unreadable(_) => Err(InvalidWrite::UnreadableRecord.into()),
    }
}
