//! `devices` of each user, and `push_tokens`, which says what device has a token. Both change together
//! and so stay consistent.

use domain::{DeviceId, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;
use flow::ports::Device;

use super::{BODY, at, from_body, sound, sound_ones, to_body};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{DEVICES, Path};
use crate::firestore::query::{Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, bytes, text, text_of};

pub const FIELDS: &[&str] = &[BODY];
pub const TOKEN_FIELDS: &[&str] = &["uid", "device"];

/// All devices of a user; there are only a few.
pub const ALL: Shape = Shape {
    name: "devices.all",
    collection: DEVICES,
    of_everybody: false,
    equal: &[],
    sorted_by: &[],
    towards: Towards::Later,
};

fn path_of(device: &Device) -> Path {
    Path::device(&device.uid, &device.id)
}

fn decode(document: &Document) -> Result<Device> {
    let device: Device = from_body(document)?;
    let is_it = at(document) == path_of(&device).as_str();
    if is_it { Ok(device) } else { Err(Fault::damaged(at(document), "its body is of another device")) }
}

pub async fn load(unit: &mut Unit<'_>, uid: &Uid, id: &DeviceId) -> Result<Option<Device>> {
    Ok(sound(unit.one(&Path::device(uid, id)).await?.as_ref().map(decode).transpose())?.flatten())
}

pub async fn all(unit: &mut Unit<'_>, uid: &Uid, limit: usize) -> Result<Vec<Device>> {
    sound_ones(unit, ALL.query(Path::user(uid), vec![]), limit, decode).await
}

/// The device that has the token, if there is one.
pub async fn holder(unit: &mut Unit<'_>, token: &str) -> Result<Option<(Uid, DeviceId)>> {
    let path = Path::token(token);
    let Some(document) = unit.one(&path).await? else { return Ok(None) };
    let uid = text_of(&document, "uid").and_then(|uid| Uid::new(uid).ok());
    let id = text_of(&document, "device").and_then(|id| DeviceId::new(id).ok());
    // A damaged document is overwritten when the token is registered again.
    sound(uid.zip(id).ok_or_else(|| Fault::damaged(path.as_str(), "it names no device")))
}

/// Writes the device, and that it has its token. A new device must not exist yet: otherwise a token
/// that it has just lost would still lead to it.
pub fn save(unit: &mut Unit<'_>, device: &Device, is_new: bool) -> Result<()> {
    let fields = Fields::default().with(BODY, bytes(to_body(device)?));
    // A damaged document is overwritten.
    if is_new && !unit.exists(&path_of(device)) {
        unit.create(&path_of(device), fields)
    } else {
        unit.put(&path_of(device), fields)
    }
    let holder = Fields::default().with("uid", text(device.uid.as_str())).with("device", text(device.id.as_str()));
    unit.put(&Path::token(&device.token), holder);
    Ok(())
}

/// Deletes the device and its token's document.
pub fn delete(unit: &mut Unit<'_>, uid: &Uid, id: &DeviceId, token: &str) {
    delete_alone(unit, uid, id);
    forget_token(unit, token);
}

/// Deletes a token's document, because no device has the token any more.
pub fn forget_token(unit: &mut Unit<'_>, token: &str) {
    unit.delete(&Path::token(token));
}

/// Deletes only the device, because another device takes over its token.
pub fn delete_alone(unit: &mut Unit<'_>, uid: &Uid, id: &DeviceId) {
    unit.delete(&Path::device(uid, id));
}
