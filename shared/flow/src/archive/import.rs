//! Import from a file into a store. Existing records are never changed, and a user who already has other data is skipped.

use std::fmt;
use std::io::{BufRead, Seek};

use domain::Uid;

use super::format::Tally;
use super::reader::{Item, Reader, check};
use super::{Error, Result};
use crate::ports::archive::{Archive, Imported, MAX_IMPORT, Record, RecordKey};

/// The approximate size in bytes of what one transaction writes at most, because stores limit it.
const MAX_BYTES: usize = 2 << 20;
const PAGE: usize = 100;
/// The most conflicts that are listed. Further ones are only counted.
const NAMED: usize = 100;

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The records of the imported users.
    pub tally: Tally,
    pub written: u64,
    pub known: u64,
    /// Records that exist with other contents and were left unchanged.
    pub conflicts: u64,
    pub named: Vec<(Uid, RecordKey)>,
    /// Users who were skipped, each with the existing record that is in the way.
    pub refused: Vec<(Uid, RecordKey)>,
}

impl Report {
    /// Whether everything in the file is in the store now.
    pub fn is_complete(&self) -> bool {
        self.conflicts == 0 && self.refused.is_empty()
    }

    fn add(&mut self, uid: &Uid, imported: Imported) {
        self.written += imported.written;
        self.known += imported.known;
        self.conflicts += imported.conflicts.len() as u64;
        let room = NAMED.saturating_sub(self.named.len());
        self.named.extend(imported.conflicts.into_iter().take(room).map(|key| (uid.clone(), key)));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, written, known, conflicts, .. } = self;
        write!(f, "{tally}\nwritten: {written}, already there: {known}, conflicts: {conflicts}")?;
        for (uid, key) in &self.named {
            write!(f, "\nconflict: {key} of user {uid} is different here, and was left as it stands")?;
        }
        for (uid, key) in &self.refused {
            write!(
                f,
                "\nuser {uid} already has other conversations here, such as {key}: nothing of this user was imported; \
                 import before the first upload"
            )?;
        }
        Ok(())
    }
}

/// Checks the whole file before anything is written.
pub async fn import(archive: &dyn Archive, only: Option<&Uid>, from: impl BufRead + Seek) -> Result<Report> {
    let (from, users) = check(from)?;
    if let Some(uid) = only.filter(|uid| !users.contains(uid)) {
        return Err(Error::NotInFile(uid.clone()));
    }
    drop(users);
    let mut file = Reader::new(from)?;
    let mut report = Report::default();
    let mut item = file.next()?;
    loop {
        item = match item {
            Item::End(_) => return Ok(report),
            Item::User(uid) if only.is_none_or(|only| *only == uid) => {
                let begin = file.begin();
                let obstacle = obstacle(archive, &uid, &mut file).await?;
                file.go_back(&begin)?;
                match obstacle {
                    None => user(archive, &uid, &mut file, &mut report).await?,
                    Some(key) => {
                        report.refused.push((uid, key));
                        file.next()?
                    }
                }
            }
            // The line belongs to a user who is skipped.
            Item::User(_) | Item::Record(..) => file.next()?,
        };
    }
}

/// A record of the user in the store that is missing from the file or differs from it. A recording that is missing from
/// the file is no obstacle; its lines would be.
async fn obstacle(
    archive: &dyn Archive,
    uid: &Uid,
    file: &mut Reader<impl BufRead + Seek>,
) -> Result<Option<RecordKey>> {
    let (mut from_file, mut is_over) = (None::<Record>, false);
    let mut page = archive.export(uid, None, PAGE).await?;
    while let Some(last) = page.last().map(Record::key) {
        for existing in page {
            let key = existing.key();
            if matches!(existing, Record::Unreadable(_)) {
                // An unreadable record is no obstacle. If the file has this record, it is reported as a conflict.
                continue;
            }
            while !is_over && from_file.as_ref().is_none_or(|from_file| from_file.key() < key) {
                match file.next()? {
                    Item::Record(record, _) => from_file = Some(record),
                    Item::User(_) | Item::End(_) => is_over = true,
                }
            }
            match from_file.as_ref().filter(|from_file| from_file.key() == key) {
                Some(from_file) if from_file.agrees_with(&existing) => {}
                None if matches!(existing, Record::Recording { .. }) => {}
                _ => return Ok(Some(key)),
            }
        }
        page = archive.export(uid, Some(last), PAGE).await?;
    }
    Ok(None)
}

/// Writes the user's records, and returns the line after them.
async fn user(
    archive: &dyn Archive,
    uid: &Uid,
    file: &mut Reader<impl BufRead + Seek>,
    report: &mut Report,
) -> Result<Item> {
    report.tally.users += 1;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let (record, length) = match file.next()? {
            Item::Record(record, length) => (record, length),
            other => {
                report.add(uid, archive.import(uid, &batch).await?);
                return Ok(other);
            }
        };
        if batch.len() == MAX_IMPORT || (bytes + length > MAX_BYTES && !batch.is_empty()) {
            report.add(uid, archive.import(uid, &batch).await?);
            batch.clear();
            bytes = 0;
        }
        report.tally.count(&record);
        batch.push(record);
        bytes += length;
    }
}
