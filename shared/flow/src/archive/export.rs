//! Export from a store to a file.

use std::io::Write;

use domain::Uid;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::format::{End, Entry, Header, Tally};
use super::{Error, Result};
use crate::ports::archive::{Archive, Record};

const USERS: usize = 100;
const RECORDS: usize = 100;

/// Writes the records of one user, or of all users.
pub async fn export(
    archive: &dyn Archive,
    only: Option<&Uid>,
    header: &Header,
    out: &mut (dyn Write + Send),
) -> Result<Tally> {
    let mut writer = Writer { out, hash: Sha256::new(), tally: Tally::default() };
    writer.line(header)?;
    if let Some(uid) = only {
        if !user(archive, uid, &mut writer).await? {
            return Err(Error::HasNothing(uid.clone()));
        }
        return writer.end();
    }
    let mut users: Vec<Uid> = archive.users(None, USERS).await?;
    while let Some(last) = users.last().cloned() {
        for uid in &users {
            user(archive, uid, &mut writer).await?;
        }
        users = archive.users(Some(&last), USERS).await?;
    }
    writer.end()
}

/// Writes the records of a user. Returns false if there are none.
async fn user(archive: &dyn Archive, uid: &Uid, writer: &mut Writer<'_>) -> Result<bool> {
    let mut page = archive.export(uid, None, RECORDS).await?;
    if page.is_empty() {
        return Ok(false);
    }
    writer.line(&Entry::User(uid.clone()))?;
    writer.tally.users += 1;
    while let Some(last) = page.last().map(Record::key) {
        for record in page {
            writer.tally.count(&record);
            if let Some(entry) = Entry::of(record) {
                writer.line(&entry)?;
            }
        }
        page = archive.export(uid, Some(last), RECORDS).await?;
    }
    Ok(true)
}

struct Writer<'a> {
    out: &'a mut (dyn Write + Send),
    hash: Sha256,
    tally: Tally,
}

impl Writer<'_> {
    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(std::io::Error::from)?;
        line.push(b'\n');
        self.hash.update(&line);
        Ok(self.out.write_all(&line)?)
    }

    fn end(mut self) -> Result<Tally> {
        let sha256 = hex::encode(self.hash.clone().finalize());
        self.line(&Entry::End(End { users: self.tally.users, records: self.tally.records(), sha256 }))?;
        Ok(self.tally)
    }
}
