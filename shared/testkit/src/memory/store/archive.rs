//! Export and import of the data that outlives jobs.

use async_trait::async_trait;
use domain::archive::check;
use domain::{Bucket, Uid};
use flow::ports::archive::{Archive, Imported, Record, RecordKey};
use flow::{Error, Result};

use super::Store;
use super::tables::Tables;

#[async_trait]
impl Archive for Store {
    async fn users(&self, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>> {
        let tables = self.tables();
        let mut users: Vec<_> = tables.recordings.keys().map(|(uid, _)| uid.clone()).collect();
        users.dedup();
        Ok(users.into_iter().filter(|uid| after.is_none_or(|after| uid > after)).take(limit).collect())
    }

    async fn export(&self, uid: &Uid, after: Option<RecordKey>, limit: usize) -> Result<Vec<Record>> {
        let mut records = self.tables().records(uid);
        records.retain(|record| after.is_none_or(|after| record.key() > after));
        records.truncate(limit);
        Ok(records)
    }

    async fn import(&self, uid: &Uid, records: &[Record]) -> Result<Imported> {
        check(uid, records).map_err(|why| Error::new(why.into(), "archive.import", ""))?;
        let mut tables = self.tables();
        let mut imported = Imported::default();
        for record in records {
            let there = tables.records(uid).into_iter().find(|there| there.key() == record.key());
            if imported.note(record, there.as_ref()) {
                tables.put(uid, record.clone());
            }
        }
        Ok(imported)
    }
}

impl Tables {
    /// All records of a user, in order.
    fn records(&self, uid: &Uid) -> Vec<Record> {
        let recordings = self.recordings.iter().filter(|((of, _), _)| of == uid).map(|(key, recording)| {
            Record::from((recording.clone(), self.extras.get(key).cloned().unwrap_or_default()))
        });
        let lines = self.lines.iter().filter(|((of, ..), _)| of == uid);
        let conversations = self.conversations.iter().filter(|((of, _), _)| of == uid);
        let usage = self.usage.iter().filter(|((of, _), _)| of == uid);
        recordings
            .chain(lines.map(|(_, line)| Record::from(line.clone())))
            .chain(conversations.map(|(_, one)| Record::from(one.clone())))
            .chain(usage.map(|((_, hour), usage)| Record::Usage(Bucket { hour: *hour, usage: *usage })))
            .collect()
    }

    fn put(&mut self, uid: &Uid, record: Record) {
        match record {
            Record::Recording { recording, extras } => {
                let key = (uid.clone(), recording.id);
                self.keep_extras(key.clone(), extras);
                self.recordings.insert(key, *recording);
            }
            Record::Line(line) => {
                self.lines.insert((uid.clone(), line.recording, line.start_ms), *line);
            }
            Record::Conversation(one) => {
                self.conversations.insert((uid.clone(), one.id), *one);
            }
            Record::Usage(Bucket { hour, usage }) => {
                self.usage.insert((uid.clone(), hour), usage);
            }
            // Unreadable records are refused before: nothing of them could be written.
            Record::Unreadable(_) => {}
        }
    }
}
