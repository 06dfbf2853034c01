//! Registers push targets: a token belongs to one device of one user.

use domain::device::{MAX_DEVICES, surplus};
use domain::{DeviceId, Uid};
use flow::ports::Device;

use super::fault::Result;
use super::path::Path;
use super::table::devices;
use super::unit_of_work::Unit;

/// The most devices of a user that are read. That is more than a user can have, unless the limit was
/// lowered: then it is reached step by step.
pub const MAX_READ: usize = 5 * MAX_DEVICES;

/// Saves a device, and makes room for it. The token is taken from any device that had it before. A
/// token's document changes with every device that gets or loses it, so while it is unchanged, what was
/// read is still valid.
pub async fn put(unit: &mut Unit<'_>, device: &Device) -> Result<()> {
    let holder = devices::holder(unit, &device.token).await?;
    let mut registered = devices::all(unit, &device.uid, MAX_READ).await?;
    let are_all = registered.len() < MAX_READ;
    let old = registered.iter().position(|other| other.id == device.id).map(|at| registered.swap_remove(at));
    if old.as_ref() == Some(device) && holder == Some((device.uid.clone(), device.id.clone())) {
        return Ok(());
    }
    let is_new = are_all && old.is_none();
    if let Some(old) = old.filter(|old| old.token != device.token) {
        devices::forget_token(unit, &old.token);
    }
    if let Some((uid, id)) = holder.filter(|(uid, id)| (uid, id) != (&device.uid, &device.id)) {
        devices::delete_alone(unit, &uid, &id);
        registered.retain(|other| (&other.uid, &other.id) != (&uid, &id));
    }
    let others = registered.iter().map(|other| (other.used_at, (&other.id, &other.token))).collect();
    surplus(others).for_each(|(id, token)| devices::delete(unit, &device.uid, id, token));
    devices::save(unit, device, is_new)
}

pub async fn delete(unit: &mut Unit<'_>, uid: &Uid, id: &DeviceId) -> Result<()> {
    match devices::load(unit, uid, id).await? {
        Some(device) => devices::delete(unit, uid, id, &device.token),
        // A damaged device is deleted as well; its token is unknown.
        None if unit.exists(&Path::device(uid, id)) => devices::delete_alone(unit, uid, id),
        None => {}
    }
    Ok(())
}

pub async fn drop_token(unit: &mut Unit<'_>, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
    if devices::load(unit, uid, id).await?.is_some_and(|device| device.token == token) {
        devices::delete(unit, uid, id, token);
    }
    Ok(())
}
