//! `recordings`: each row has the recording's document, and beside it the plan as packed bytes.

use domain::{Plan, Recording, RecordingId, Uid};
use rusqlite::{Connection, Row, params};

use crate::store::fault::{Fault, Result, of_row, sound};
use crate::store::query::{all, from_document, one, queries, rows, run, to_document};

const TABLE: &str = "recordings";

queries! {
    LOAD = "SELECT document, plan FROM recordings WHERE uid = ?1 AND id = ?2";
    IN_ORDER = "SELECT document, plan, id FROM recordings WHERE uid = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    NEXT_USER = "SELECT uid FROM recordings WHERE uid > ?1 ORDER BY uid LIMIT 1";
    INSERT = "INSERT INTO recordings (uid, id, document, plan) VALUES (?1, ?2, ?3, ?4)";
    UPDATE = "UPDATE recordings SET document = ?3, plan = ?4 WHERE uid = ?1 AND id = ?2";
    UPDATE_DOCUMENT = "UPDATE recordings SET document = ?3 WHERE uid = ?1 AND id = ?2";
    UPDATE_PLAN = "UPDATE recordings SET plan = ?3 WHERE uid = ?1 AND id = ?2";
}

/// A recording with the bytes it was read from, so that only what changed is written.
struct Stored {
    recording: Recording,
    bytes: Bytes,
}

#[derive(PartialEq)]
struct Bytes {
    document: Vec<u8>,
    plan: Option<Vec<u8>>,
}

/// How a recording is stored, to compare with before it is written.
pub struct Before(StoredState);

enum StoredState {
    Nothing,
    /// The row cannot be read, and is overwritten when the recording is saved.
    Damaged,
    Bytes(Bytes),
}

impl Before {
    pub const NOTHING: Self = Self(StoredState::Nothing);
}

/// Loads a recording that is to be changed, and what to compare it with. A damaged one counts as
/// missing.
pub fn load(db: &Connection, uid: &Uid, id: RecordingId) -> Result<(Option<Recording>, Before)> {
    Ok(match sound(stored(db, uid, id))? {
        None => (None, Before(StoredState::Damaged)),
        Some(None) => (None, Before::NOTHING),
        Some(Some(stored)) => (Some(stored.recording), Before(StoredState::Bytes(stored.bytes))),
    })
}

/// Loads a recording; a damaged one is an error.
pub fn load_as_stored(db: &Connection, uid: &Uid, id: RecordingId) -> Result<Option<Recording>> {
    Ok(stored(db, uid, id)?.map(|stored| stored.recording))
}

fn stored(db: &Connection, uid: &Uid, id: RecordingId) -> Result<Option<Stored>> {
    one(db, LOAD, params![uid.as_str(), id.bytes()], |row| read(row, uid, id))
}

pub fn load_one(db: &Connection, uid: &Uid, id: RecordingId) -> Result<Option<Recording>> {
    Ok(load(db, uid, id)?.0)
}

/// The user's recordings after the cursor, ordered by id. Damaged ones are returned as errors with
/// their id.
pub fn in_order(
    db: &Connection,
    uid: &Uid,
    after: Option<RecordingId>,
    limit: usize,
) -> Result<Vec<(RecordingId, Result<Recording>)>> {
    let after = after.map(|id| id.bytes().to_vec()).unwrap_or_default();
    all(db, IN_ORDER, params![uid.as_str(), after, rows(limit)], |row| {
        let id = RecordingId::from_bytes(row.get(2)?);
        Ok((id, read(row, uid, id).map(|stored| stored.recording)))
    })
}

/// The first user after `uid` with a recording.
pub fn next_user(db: &Connection, uid: &str) -> Result<Option<String>> {
    one(db, NEXT_USER, [uid], |row| Ok(row.get(0)?))
}

/// Checks whether a row of `document, plan` can be read.
pub fn check(row: &Row, uid: &Uid, id: RecordingId) -> Result<()> {
    read(row, uid, id).map(drop)
}

fn read(row: &Row, uid: &Uid, id: RecordingId) -> Result<Stored> {
    read_columns(row, uid, id).map_err(|fault| of_row(TABLE, id, fault))
}

fn read_columns(row: &Row, uid: &Uid, id: RecordingId) -> Result<Stored> {
    let mut recording: Recording = from_document(TABLE, row, 0, &id)?;
    if recording.id != id || recording.uid != *uid {
        return Err(Fault::damaged(TABLE, id, "its document is of another recording"));
    }
    let plan = row.get_ref(1)?.as_blob_or_null()?.map(<[u8]>::to_vec);
    let unpacked = plan.as_deref().map(Plan::unpack).transpose();
    recording.plan = unpacked.map_err(|damage| Fault::damaged(TABLE, id, damage))?;
    Ok(Stored { recording, bytes: Bytes { document: row.get_ref(0)?.as_bytes()?.to_vec(), plan } })
}

pub fn save(db: &Connection, recording: &mut Recording, before: &Before) -> Result<()> {
    let now = encode(recording)?;
    let (uid, id) = (recording.uid.as_str(), recording.id.bytes());
    let document = || std::str::from_utf8(&now.document).map_err(|e| Fault::damaged(TABLE, recording.id, e));
    match &before.0 {
        StoredState::Nothing => run(db, INSERT, params![uid, id, document()?, now.plan])?,
        StoredState::Bytes(before) if *before == now => 0,
        StoredState::Bytes(before) if before.plan == now.plan => {
            run(db, UPDATE_DOCUMENT, params![uid, id, document()?])?
        }
        StoredState::Bytes(before) if before.document == now.document => {
            run(db, UPDATE_PLAN, params![uid, id, now.plan])?
        }
        StoredState::Bytes(_) | StoredState::Damaged => run(db, UPDATE, params![uid, id, document()?, now.plan])?,
    };
    Ok(())
}

/// Encodes the document without the plan, which is taken out of the recording only for that moment.
fn encode(recording: &mut Recording) -> Result<Bytes> {
    let plan = recording.plan.take();
    let document = to_document(TABLE, recording);
    let packed = plan.as_ref().map(Plan::pack);
    recording.plan = plan;
    Ok(Bytes { document: document?.into_bytes(), plan: packed })
}
