//! Push targets: a token belongs to one device of one user.

use domain::device::surplus;
use domain::{DeviceId, Uid};
use flow::ports::Device;

use super::tables::Tables;

impl Tables {
    pub fn put_device(&mut self, device: &Device) {
        let key = (device.uid.clone(), device.id.clone());
        self.devices.retain(|other, held| *other == key || held.token != device.token);
        self.devices.insert(key, device.clone());
        let others = self.devices.values().filter(|other| other.uid == device.uid && other.id != device.id);
        for id in surplus(others.map(|other| (other.used_at, other.id.clone())).collect()) {
            self.devices.remove(&(device.uid.clone(), id));
        }
    }

    pub fn devices_of(&self, uid: &Uid) -> Vec<Device> {
        self.devices.values().filter(|device| device.uid == *uid).cloned().collect()
    }

    pub fn drop_token(&mut self, uid: &Uid, id: &DeviceId, token: &str) {
        let key = (uid.clone(), id.clone());
        if self.devices.get(&key).is_some_and(|device| device.token == token) {
            self.devices.remove(&key);
        }
    }
}
