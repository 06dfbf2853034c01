//! Export and import of the data that outlives jobs.

use async_trait::async_trait;
use domain::{Bucket, Recording, SegmentId, Uid};
use flow::ports::archive::{Archive, Imported, Place, Record, fits};
use rusqlite::Connection;

use super::SqliteStore;
use super::fault::{Fault, Result, listed};
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

fn export(db: &Connection, uid: &Uid, after: Option<Place>, limit: usize) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    if matches!(after, None | Some(Place::Recording(_))) {
        let after = if let Some(Place::Recording(id)) = after { Some(id) } else { None };
        for (id, recording) in recordings::in_order(db, uid, after, limit)? {
            found
                .push(or_unreadable(Place::Recording(id), recording.and_then(|recording| with_beside(db, recording)))?);
        }
    }
    let left = limit - found.len();
    if left > 0 && !matches!(after, Some(Place::Conversation(_) | Place::Usage(_))) {
        let after = if let Some(Place::Line(recording, start_ms)) = after { Some((recording, start_ms)) } else { None };
        for (segment, line) in lines::in_order(db, uid, after, left)? {
            let place = Place::Line(segment.recording, segment.start_ms);
            found.push(or_unreadable(place, line.map(|line| Record::Line(Box::new(line))))?);
        }
    }
    let left = limit - found.len();
    if left > 0 && !matches!(after, Some(Place::Usage(_))) {
        let after = if let Some(Place::Conversation(id)) = after { Some(id) } else { None };
        for (id, one) in conversations::in_order(db, uid, after, left)? {
            found.push(or_unreadable(Place::Conversation(id), one.map(|one| Record::Conversation(Box::new(one))))?);
        }
    }
    let left = limit - found.len();
    if left > 0 {
        let after = if let Some(Place::Usage(hour)) = after { Some(hour) } else { None };
        for (hour, bucket) in usage::in_order(db, uid, after, left)? {
            found.push(or_unreadable(Place::Usage(hour), bucket.map(Record::Usage))?);
        }
    }
    Ok(found)
}

fn with_beside(db: &Connection, recording: Recording) -> Result<Record> {
    let beside = beside::load(db, &recording.uid, recording.id)?;
    Ok(Record::Recording { recording: Box::new(recording), beside })
}

/// A record that cannot be read is reported by its position.
fn or_unreadable(place: Place, record: Result<Record>) -> Result<Record> {
    Ok(listed(record)?.unwrap_or(Record::Unreadable(place)))
}

fn import(db: &Connection, uid: &Uid, records: Vec<Record>) -> Result<Imported> {
    if !fits(uid, &records) {
        return Err(Fault::Invalid("these records are too many, or of another user"));
    }
    let mut imported = Imported::default();
    for record in records {
        let existing = existing(db, uid, &record)?;
        if imported.note(&record, existing.as_ref()) {
            write(db, uid, record)?;
        }
    }
    Ok(imported)
}

/// The stored record at the same position.
fn existing(db: &Connection, uid: &Uid, record: &Record) -> Result<Option<Record>> {
    let place = record.place();
    let found = match place {
        Place::Recording(id) => recordings::load_as_stored(db, uid, id)
            .and_then(|found| found.map(|recording| with_beside(db, recording)).transpose()),
        Place::Line(recording, start_ms) => {
            let line = lines::load_as_stored(db, uid, SegmentId { recording, start_ms });
            line.map(|line| line.map(|line| Record::Line(Box::new(line))))
        }
        Place::Conversation(id) => {
            let one = conversations::load_as_stored(db, uid, id);
            one.map(|one| one.map(|one| Record::Conversation(Box::new(one))))
        }
        Place::Usage(hour) => usage::load(db, uid, hour).map(|bucket| bucket.map(Record::Usage)),
    };
    Ok(listed(found)?.unwrap_or(Some(Record::Unreadable(place))))
}

fn write(db: &Connection, uid: &Uid, record: Record) -> Result<()> {
    match record {
        Record::Recording { mut recording, beside } => {
            recordings::save(db, &mut recording, &Before::NOTHING)?;
            beside::save(db, uid, recording.id, &beside)
        }
        Record::Line(line) => lines::insert(db, &line).map(drop),
        // This adapter keeps no timelines: a job in progress reads the conversations themselves.
        Record::Conversation(conversation) => conversations::save(db, &conversation),
        Record::Usage(Bucket { hour, usage }) => usage::add(db, uid, hour, usage),
        Record::Unreadable(_) => Err(Fault::Invalid("what cannot be read cannot be written")),
    }
}
