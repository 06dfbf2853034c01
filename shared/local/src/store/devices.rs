//! Registers push targets.

use domain::device::surplus;
use flow::ports::Device;
use rusqlite::Connection;

use super::fault::Result;
use super::table::devices;

/// Saves a device, and makes room for it. The token is taken from any device that had it before.
pub fn put(db: &Connection, device: &Device) -> Result<()> {
    devices::save(db, device)?;
    let mut others = devices::by_use(db, &device.uid)?;
    others.retain(|(_, id)| id != device.id.as_str());
    surplus(others).try_for_each(|id| devices::delete(db, &device.uid, &id))
}
