//! Registers push targets.

use flow::ports::Device;
use flow::ports::store::MAX_DEVICES;
use rusqlite::Connection;

use super::fault::Result;
use super::table::devices;

/// Saves a device. The token is taken from any device that had it before. If the user has too many
/// devices, those unused longest are removed, but never the new one.
pub fn put(db: &Connection, device: &Device) -> Result<()> {
    devices::save(db, device)?;
    let used = devices::by_use(db, &device.uid)?;
    let too_many = used.len().saturating_sub(MAX_DEVICES);
    let others = used.iter().filter(|(_, id)| id != device.id.as_str());
    for (_, id) in others.take(too_many) {
        devices::delete(db, &device.uid, id)?;
    }
    Ok(())
}
