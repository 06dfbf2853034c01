//! Devices: a push token belongs to one device of one user.

use std::sync::Arc;
use std::time::Duration;

use domain::Uid;
use domain::device::MAX_DEVICES;
use flow::ports::{Device, Platform, Store};

use super::{ann, bob};
use crate::build::{T0, device, device_id};

async fn put(store: &dyn Store, device: &Device) {
    store.put_device(device).await.unwrap();
}

async fn devices(store: &dyn Store, uid: &Uid) -> Vec<Device> {
    let mut devices = store.devices(uid).await.unwrap();
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    devices
}

pub async fn device_is_registered_and_updated(store: Arc<dyn Store>) {
    let first = device(&ann(), "phone", "token-1");
    put(&*store, &first).await;
    put(&*store, &first).await;
    assert_eq!(devices(&*store, &ann()).await, std::slice::from_ref(&first));
    let used_at = T0 + Duration::from_secs(60);
    let second = Device { token: "token-2".into(), platform: Platform::Ios, used_at, ..first };
    put(&*store, &second).await;
    assert_eq!(devices(&*store, &ann()).await, [second]);
}

pub async fn token_moves_to_the_device_that_registers_it(store: Arc<dyn Store>) {
    put(&*store, &device(&ann(), "phone", "token")).await;
    put(&*store, &device(&ann(), "tablet", "other")).await;
    put(&*store, &device(&bob(), "phone", "token")).await;
    assert_eq!(devices(&*store, &ann()).await, [device(&ann(), "tablet", "other")]);
    assert_eq!(devices(&*store, &bob()).await, [device(&bob(), "phone", "token")]);
    put(&*store, &device(&bob(), "watch", "token")).await;
    assert_eq!(
        devices(&*store, &bob()).await,
        [device(&bob(), "watch", "token")],
        "the same holds for devices of one user"
    );
}

pub async fn least_recently_used_device_is_removed_above_the_limit(store: Arc<dyn Store>) {
    let used = |n: usize, minutes: u64| Device {
        used_at: T0 + Duration::from_secs(60 * minutes),
        ..device(&ann(), &format!("device-{n:02}"), &format!("token-{n}"))
    };
    put(&*store, &Device { used_at: T0 - Duration::from_secs(60), ..device(&bob(), "old", "bobs") }).await;
    for n in 0..MAX_DEVICES {
        put(&*store, &used(n, if n == 7 { 1 } else { 10 + n as u64 })).await;
    }
    put(&*store, &used(3, 90)).await;
    assert_eq!(
        devices(&*store, &ann()).await.len(),
        MAX_DEVICES,
        "an update of a known device does not count as a new one"
    );
    put(&*store, &used(50, 100)).await;
    let ids: Vec<_> = devices(&*store, &ann()).await.iter().map(|d| d.id.to_string()).collect();
    assert_eq!(ids.len(), MAX_DEVICES);
    assert!(!ids.contains(&"device-07".to_owned()) && ids.contains(&"device-50".to_owned()), "{ids:?}");
    assert_eq!(devices(&*store, &bob()).await.len(), 1, "each user has a separate limit");
}

pub async fn a_device_can_be_deleted_twice(store: Arc<dyn Store>) {
    put(&*store, &device(&ann(), "phone", "token")).await;
    put(&*store, &device(&ann(), "tablet", "other")).await;
    for _ in 0..2 {
        store.delete_device(&ann(), &device_id("phone")).await.unwrap();
        assert_eq!(devices(&*store, &ann()).await, [device(&ann(), "tablet", "other")]);
    }
}

pub async fn dead_token_is_dropped_only_if_the_device_still_has_it(store: Arc<dyn Store>) {
    put(&*store, &device(&ann(), "phone", "new")).await;
    store.drop_token(&ann(), &device_id("phone"), "old").await.unwrap();
    assert_eq!(devices(&*store, &ann()).await, [device(&ann(), "phone", "new")]);
    for _ in 0..2 {
        store.drop_token(&ann(), &device_id("phone"), "new").await.unwrap();
        assert_eq!(devices(&*store, &ann()).await, []);
    }
}

pub async fn a_dropped_token_can_be_registered_again(store: Arc<dyn Store>) {
    let phone = device(&ann(), "phone", "token");
    put(&*store, &phone).await;
    store.drop_token(&ann(), &phone.id, "token").await.unwrap();
    put(&*store, &phone).await;
    assert_eq!(devices(&*store, &ann()).await, [phone]);
}

pub async fn devices_of_two_users_with_one_id_are_independent(store: Arc<dyn Store>) {
    put(&*store, &device(&ann(), "phone", "anns")).await;
    put(&*store, &device(&bob(), "phone", "bobs")).await;
    store.delete_device(&bob(), &device_id("phone")).await.unwrap();
    store.drop_token(&bob(), &device_id("phone"), "anns").await.unwrap();
    assert_eq!(devices(&*store, &ann()).await, [device(&ann(), "phone", "anns")]);
    assert_eq!(devices(&*store, &bob()).await, []);
}
