//! Reads an export file line by line, and checks the order of lines and that none is missing.

use std::collections::HashSet;
use std::io::{BufRead, Read, Seek, SeekFrom};

use domain::{RecordingId, Uid};
use sha2::{Digest, Sha256};

use super::format::{End, Entry, Header, MAX_LINE};
use super::{Error, Result};
use crate::ports::archive::{Record, RecordKey};

/// The most users in a file. Their names are held in memory to detect duplicates.
const MAX_USERS: usize = 1_000_000;

/// A line after the header.
pub enum Item {
    User(Uid),
    /// A record and the length of its line.
    Record(Record, usize),
    End(End),
}

/// The position at which a user's records begin.
#[derive(Clone)]
pub struct Begin {
    line: u64,
    offset: u64,
    uid: Option<Uid>,
}

pub struct Reader<R> {
    from: R,
    text: Vec<u8>,
    /// The number of the line that was read last.
    line: u64,
    offset: u64,
    uid: Option<Uid>,
    last: Option<RecordKey>,
    /// The hash of all lines but the last.
    hash: Sha256,
}

impl<R: BufRead + Seek> Reader<R> {
    /// Starts at the beginning of the file, and checks that it is an export.
    pub fn new(mut from: R) -> Result<Self> {
        from.seek(SeekFrom::Start(0))?;
        let (hash, text) = (Sha256::new(), Vec::new());
        let mut reader = Self { from, text, line: 0, offset: 0, uid: None, last: None, hash };
        if !reader.advance()? {
            return Err(reader.damaged("the file is empty"));
        }
        let header: Header = serde_json::from_slice(&reader.text)
            .map_err(|_| reader.damaged("this is no export of Afterword: it does not begin like one"))?;
        if !header.is_known() {
            return Err(reader.damaged("a newer program wrote this file; import it with that one"));
        }
        reader.hash.update(&reader.text);
        Ok(reader)
    }

    pub fn next(&mut self) -> Result<Item> {
        if !self.advance()? {
            return Err(self.damaged("the file ends without its last line: it is not whole"));
        }
        // The parser's message is not passed on, because it may quote somebody's transcript.
        let entry = serde_json::from_slice(&self.text)
            .map_err(|why| self.damaged(format!("it is damaged before its column {}", why.column())))?;
        let record = match entry {
            Entry::End(end) => return Ok(Item::End(end)),
            Entry::User(uid) => {
                self.hash.update(&self.text);
                (self.uid, self.last) = (Some(uid.clone()), None);
                return Ok(Item::User(uid));
            }
            Entry::Recording(known) => known.record().map_err(|why| self.damaged(why))?,
            Entry::Line(line) => Record::Line(line),
            Entry::Conversation(conversation) => Record::Conversation(conversation),
            Entry::Usage(bucket) => Record::Usage(bucket),
        };
        self.hash.update(&self.text);
        self.belongs(&record).map_err(|why| self.damaged(why))?;
        self.last = Some(record.key());
        Ok(Item::Record(record, self.text.len()))
    }

    /// Checks that the record belongs to the user and is in order.
    fn belongs(&self, record: &Record) -> std::result::Result<(), &'static str> {
        let Some(uid) = &self.uid else { return Err("it stands before any user") };
        if record.uid().is_some_and(|of| of != uid) {
            return Err("it is of another user than those around it");
        }
        if self.last.is_some_and(|last| last >= record.key()) {
            return Err("it is out of order");
        }
        match record {
            Record::Recording { recording: r, .. } if r.id != RecordingId::derive(uid, &r.name, &r.sha256) => {
                Err("its id is of another recording")
            }
            Record::Usage(bucket) if bucket.hour != bucket.hour.hour() => Err("its usage is of no hour"),
            _ => Ok(()),
        }
    }

    /// Reads the next line. Returns false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        self.text.clear();
        let read = (&mut self.from).take(MAX_LINE + 1).read_until(b'\n', &mut self.text)?;
        self.line += 1;
        self.offset += read as u64;
        if read as u64 > MAX_LINE {
            return Err(self.damaged("it is longer than any line of ours"));
        }
        if read > 0 && self.text.last() != Some(&b'\n') {
            return Err(self.damaged("it breaks off: the file is not whole"));
        }
        Ok(read > 0)
    }

    pub fn damaged(&self, why: impl Into<String>) -> Error {
        Error::Damaged { line: self.line, why: why.into() }
    }

    /// The position of the user whose line was just read, for [`Self::go_back`].
    pub fn begin(&self) -> Begin {
        Begin { line: self.line, offset: self.offset, uid: self.uid.clone() }
    }

    pub fn go_back(&mut self, to: &Begin) -> Result<()> {
        self.from.seek(SeekFrom::Start(to.offset))?;
        (self.line, self.offset, self.uid, self.last) = (to.line, to.offset, to.uid.clone(), None);
        Ok(())
    }

    pub fn into_inner(self) -> R {
        self.from
    }
}

/// Reads and verifies the whole file, and returns it with the users in it.
pub fn check<R: BufRead + Seek>(from: R) -> Result<(R, HashSet<Uid>)> {
    let mut reader = Reader::new(from)?;
    let (mut users, mut records) = (HashSet::new(), 0);
    let end = loop {
        match reader.next()? {
            Item::User(uid) => {
                if users.len() >= MAX_USERS || !users.insert(uid) {
                    return Err(reader.damaged("the user was there before, or there are too many"));
                }
            }
            Item::Record(..) => records += 1,
            Item::End(end) => break end,
        }
    };
    let sha256 = hex::encode(reader.hash.clone().finalize());
    if end != (End { users: users.len() as u64, records, sha256 }) {
        return Err(reader.damaged("it does not fit the lines before it: the file was changed since it was written"));
    }
    if reader.advance()? {
        return Err(reader.damaged("there is more behind the last line"));
    }
    Ok((reader.into_inner(), users))
}
