//! `devices`: push targets. A token is stored once: a new registration takes it from any earlier one.

use domain::{DeviceId, Timestamp, Uid};
use flow::ports::Device;
use rusqlite::{Connection, Row, params};

use crate::store::fault::Result;
use crate::store::query::{all, from_document, queries, run, sound_ones, to_document};

const TABLE: &str = "devices";

queries! {
    TAKE_TOKEN = "DELETE FROM devices WHERE token = ?1";
    SAVE = "INSERT INTO devices (uid, id, used_at, token, document) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (uid, id) DO UPDATE SET used_at = excluded.used_at, token = excluded.token,
        document = excluded.document";
    BY_USE = "SELECT used_at, id FROM devices WHERE uid = ?1";
    LIST = "SELECT document, id FROM devices WHERE uid = ?1 ORDER BY id";
    DELETE = "DELETE FROM devices WHERE uid = ?1 AND id = ?2";
    DROP_TOKEN = "DELETE FROM devices WHERE token = ?3 AND uid = ?1 AND id = ?2";
}

pub fn save(db: &Connection, device: &Device) -> Result<()> {
    run(db, TAKE_TOKEN, [&device.token])?;
    let (uid, id) = (device.uid.as_str(), device.id.as_str());
    let params = params![uid, id, device.used_at.millis(), device.token, to_document(TABLE, device)?];
    run(db, SAVE, params)?;
    Ok(())
}

pub fn list(db: &Connection, uid: &Uid) -> Result<Vec<Device>> {
    sound_ones(db, LIST, [uid.as_str()], usize::MAX, read)
}

/// Reads a row of `document, id`.
pub fn read(row: &Row) -> Result<Device> {
    from_document(TABLE, row, 0, &row.get::<_, String>(1)?)
}

/// The user's devices with the time of their last use, whether they can be read or not.
pub fn by_use(db: &Connection, uid: &Uid) -> Result<Vec<(Timestamp, String)>> {
    all(db, BY_USE, [uid.as_str()], |row| Ok((Timestamp::from_millis(row.get(0)?), row.get(1)?)))
}

pub fn delete(db: &Connection, uid: &Uid, id: &str) -> Result<()> {
    run(db, DELETE, [uid.as_str(), id])?;
    Ok(())
}

pub fn drop_token(db: &Connection, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
    run(db, DROP_TOKEN, params![uid.as_str(), id.as_str(), token])?;
    Ok(())
}
