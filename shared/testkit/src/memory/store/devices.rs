//! Push targets: a token belongs to one device of one user.

use domain::{DeviceId, Uid};
use flow::ports::Device;
use flow::ports::store::MAX_DEVICES;

use super::tables::Tables;

impl Tables {
    pub fn put_device(&mut self, device: &Device) {
        let key = (device.uid.clone(), device.id.clone());
        self.devices.retain(|other, held| *other == key || held.token != device.token);
        self.devices.insert(key.clone(), device.clone());
        while self.devices_of(&device.uid).len() > MAX_DEVICES {
            let others = self.devices.values().filter(|d| d.uid == device.uid && d.id != device.id);
            let Some(oldest) = others.min_by_key(|d| (d.used_at, &d.id)).map(|d| d.id.clone()) else { break };
            self.devices.remove(&(device.uid.clone(), oldest));
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
