//! What `watch` knows about the files that it has taken and the texts that it has written: one SQLite database, so that a
//! restart reads no file again and the memory does not grow with the folder.

use std::path::Path;
use std::time::Duration;

use engine::ChunkId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::messages::Message;

/// How long a write waits for the other connection of this process.
const BUSY: Duration = Duration::from_secs(10);
const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE file (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    -- The number in the device engine's index; none for a file that is not sent.
    chunk INTEGER,
    -- The name under which it was sent. A file that is renamed later keeps it.
    name TEXT NOT NULL,
    is_over INTEGER NOT NULL,
    -- The formats of the texts that were written, as `md,srt`.
    written TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX file_chunk ON file (chunk) WHERE chunk IS NOT NULL;
CREATE INDEX file_inode ON file (inode, device);
CREATE INDEX file_open ON file (path) WHERE is_over = 0;
-- A text that was written, with the digests of its content and of the content before.
CREATE TABLE text (
    path TEXT PRIMARY KEY,
    recording TEXT NOT NULL,
    digest TEXT NOT NULL,
    digest_before TEXT NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// What the file system says about a file. If all of it is as before, the file is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub path: String,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    pub device: u64,
    pub inode: u64,
}

/// A file that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub facts: Facts,
    pub chunk: Option<ChunkId>,
    /// The name under which it was sent.
    pub name: String,
    pub written: Vec<String>,
    /// Nothing is left to do for it.
    pub is_over: bool,
}

/// A text that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub recording: String,
    pub digest: String,
    pub digest_before: String,
}

pub struct Ledger(Connection);

type Result<T> = std::result::Result<T, Message>;

fn unusable(error: rusqlite::Error) -> Message {
    Message::LedgerUnusable { why: error.to_string() }
}

/// SQLite has signed numbers only; every bit is kept.
fn signed(number: u64) -> i64 {
    number.cast_signed()
}

fn taken(row: &Row<'_>) -> rusqlite::Result<Taken> {
    let written: String = row.get(7)?;
    Ok(Taken {
        facts: Facts {
            path: row.get(0)?,
            size: row.get::<_, i64>(1)?.cast_unsigned(),
            modified: row.get(2)?,
            device: row.get::<_, i64>(3)?.cast_unsigned(),
            inode: row.get::<_, i64>(4)?.cast_unsigned(),
        },
        chunk: row.get::<_, Option<i64>>(5)?.map(ChunkId),
        name: row.get(6)?,
        written: written.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        is_over: row.get(8)?,
    })
}

const COLUMNS: &str = "path, size, modified, device, inode, chunk, name, written, is_over";

impl Ledger {
    /// Opens the database, and creates it if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path).map_err(unusable)?;
        connection.busy_timeout(BUSY).map_err(unusable)?;
        let set = |name, value: &str| connection.pragma_update_and_check(None, name, value, |_| Ok(()));
        set("journal_mode", "WAL").map_err(unusable)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(unusable)?;
        let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        match version(&connection).map_err(unusable)? {
            VERSION => {}
            0 => connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;")).map_err(unusable)?,
            newer => {
                let why = format!("{} is of a newer version ({newer}) of this program; update it", path.display());
                return Err(Message::LedgerUnusable { why });
            }
        }
        Ok(Self(connection))
    }

    /// For the side that only notes which files were taken: if the power fails, the last of them are read once more.
    pub fn relaxed(self) -> Result<Self> {
        self.0.pragma_update(None, "synchronous", "NORMAL").map_err(unusable)?;
        Ok(self)
    }

    /// Whether this very file was taken.
    pub fn is_known(&self, facts: &Facts) -> Result<bool> {
        let sql = "SELECT 1 FROM file WHERE path = ?1 AND size = ?2 AND modified = ?3";
        let mut statement = self.0.prepare_cached(sql).map_err(unusable)?;
        statement.exists(params![facts.path, signed(facts.size), facts.modified]).map_err(unusable)
    }

    /// The same content under another path, by what the file system says: a hard link, or a file that was renamed.
    pub fn under_another_path(&self, facts: &Facts) -> Result<Option<Taken>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM file WHERE inode = ?1 AND device = ?2 AND size = ?3 AND modified = ?4 AND path != ?5 LIMIT 1"
        );
        let values = params![signed(facts.inode), signed(facts.device), signed(facts.size), facts.modified, facts.path];
        let mut statement = self.0.prepare_cached(&sql).map_err(unusable)?;
        statement.query_row(values, taken).optional().map_err(unusable)
    }

    /// Remembers a file that was taken. Without a number it is not sent, and not looked at again before it changes.
    pub fn put(&self, facts: &Facts, chunk: Option<ChunkId>) -> Result<()> {
        // The texts of an earlier content of this path may be replaced, but they are to be written.
        let sql = "INSERT OR REPLACE INTO file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '')";
        let name = facts.path.rsplit('/').next().unwrap_or_default();
        let values = params![
            facts.path,
            signed(facts.size),
            facts.modified,
            signed(facts.device),
            signed(facts.inode),
            chunk.map(|id| id.0),
            name,
            chunk.is_none()
        ];
        self.execute(sql, values)
    }

    /// A file that was taken has another path now.
    pub fn moved(&self, from: &str, to: &str) -> Result<()> {
        self.execute("UPDATE OR REPLACE file SET path = ?2 WHERE path = ?1", params![from, to])
    }

    /// A file that is gone, or whose number means nothing any more: if it comes back, it is taken again.
    pub fn forget(&self, path: &str) -> Result<()> {
        self.execute("DELETE FROM file WHERE path = ?1", params![path])
    }

    /// Nothing is left to do for a file; these texts were written.
    pub fn over(&self, path: &str, written: &[String]) -> Result<()> {
        self.execute("UPDATE file SET is_over = 1, written = ?2 WHERE path = ?1", params![path, written.join(",")])
    }

    /// Files below a folder that lack a text in one of these formats are looked at again.
    pub fn reopen(&self, folder: &str, formats: &[String]) -> Result<()> {
        for format in formats {
            let sql = "UPDATE file SET is_over = 0 WHERE is_over = 1 AND chunk IS NOT NULL AND substr(path, 1, ?1) = ?2 \
                       AND instr(',' || written || ',', ?3) = 0";
            let below = format!("{}/", folder.trim_end_matches('/'));
            let length = i64::try_from(below.chars().count()).unwrap_or(i64::MAX);
            self.execute(sql, params![length, below, format!(",{format},")])?;
        }
        Ok(())
    }

    /// The files that have this number.
    pub fn of_chunk(&self, chunk: ChunkId) -> Result<Vec<Taken>> {
        let sql = format!("SELECT {COLUMNS} FROM file WHERE chunk = ?1");
        self.list(&sql, params![chunk.0])
    }

    /// A page of files that are not over, in the order of their paths, after this one.
    pub fn open_files(&self, after: &str, limit: usize) -> Result<Vec<Taken>> {
        let sql = format!("SELECT {COLUMNS} FROM file WHERE is_over = 0 AND path > ?1 ORDER BY path LIMIT ?2");
        self.list(&sql, params![after, i64::try_from(limit).unwrap_or(i64::MAX)])
    }

    pub fn text(&self, path: &str) -> Result<Option<Text>> {
        let sql = "SELECT recording, digest, digest_before FROM text WHERE path = ?1";
        let read = |row: &Row<'_>| Ok(Text { recording: row.get(0)?, digest: row.get(1)?, digest_before: row.get(2)? });
        let mut statement = self.0.prepare_cached(sql).map_err(unusable)?;
        statement.query_row([path], read).optional().map_err(unusable)
    }

    pub fn put_text(&self, path: &str, text: &Text) -> Result<()> {
        let values = params![path, text.recording, text.digest, text.digest_before];
        self.execute("INSERT OR REPLACE INTO text VALUES (?1, ?2, ?3, ?4)", values)
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        self.0.prepare_cached(sql).and_then(|mut statement| statement.execute(values)).map(drop).map_err(unusable)
    }

    fn list(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Taken>> {
        let mut statement = self.0.prepare_cached(sql).map_err(unusable)?;
        let rows = statement.query_map(values, taken).map_err(unusable)?;
        rows.collect::<rusqlite::Result<_>>().map_err(unusable)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn facts(path: &str, inode: u64) -> Facts {
        Facts { path: path.to_owned(), size: 10, modified: -5, device: u64::MAX, inode }
    }

    #[test]
    fn files_are_known_over_restarts_until_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watch.db");
        let ledger = Ledger::open(&path).unwrap();
        ledger.put(&facts("/a/one.wav", 1), Some(ChunkId(7))).unwrap();
        ledger.put(&facts("/a/odd.bin", 2), None).unwrap();
        drop(ledger);
        let ledger = Ledger::open(&path).unwrap();
        assert!(ledger.is_known(&facts("/a/one.wav", 9)).unwrap(), "an inode of a network may change");
        assert!(!ledger.is_known(&Facts { size: 11, ..facts("/a/one.wav", 1) }).unwrap());
        assert!(!ledger.is_known(&Facts { modified: 0, ..facts("/a/one.wav", 1) }).unwrap());
        assert_eq!(ledger.open_files("", 9).unwrap().len(), 1, "what is not sent is over");
        let moved = ledger.under_another_path(&facts("/a/two.wav", 1)).unwrap().unwrap();
        assert_eq!((moved.facts, moved.chunk), (facts("/a/one.wav", 1), Some(ChunkId(7))));
        ledger.moved("/a/one.wav", "/a/two.wav").unwrap();
        assert!(
            ledger.is_known(&facts("/a/two.wav", 1)).unwrap() && !ledger.is_known(&facts("/a/one.wav", 1)).unwrap()
        );
        let names: Vec<_> = ledger.of_chunk(ChunkId(7)).unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["one.wav"], "the server knows it by its first name");
        ledger.forget("/a/two.wav").unwrap();
        assert!(ledger.of_chunk(ChunkId(7)).unwrap().is_empty());
    }

    #[test]
    fn files_without_a_text_that_is_wanted_now_are_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&folder.path().join("watch.db")).unwrap();
        for (n, (path, written)) in
            [("/a/md.wav", "md"), ("/a/both.wav", "md,srt"), ("/ab/none.wav", "")].into_iter().enumerate()
        {
            ledger.put(&facts(path, n as u64), Some(ChunkId(n as i64))).unwrap();
            ledger.over(path, &[written.to_owned()]).unwrap();
        }
        let open = || ledger.open_files("", 9).unwrap().into_iter().map(|one| one.facts.path).collect::<Vec<_>>();
        ledger.reopen("/a", &[]).unwrap();
        ledger.reopen("/a", &["md".to_owned()]).unwrap();
        assert!(open().is_empty());
        ledger.reopen("/a/", &["md".to_owned(), "srt".to_owned()]).unwrap();
        assert_eq!(open(), ["/a/md.wav"]);
    }
}
