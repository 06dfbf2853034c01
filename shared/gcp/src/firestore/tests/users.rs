//! Users and devices with unusual names.

use std::sync::Arc;

use testkit::build::{device, phone, uid};
use testkit::snapshot::Snapshot;
use testkit::{Harness, memory};

use super::store_or_skip;

#[tokio::test]
async fn users_with_any_id_have_separate_data() {
    let harness = Harness::new(store_or_skip!());
    let calm = Harness::new(Arc::new(memory::Store::new()));
    let long = "é".repeat(64);
    let names = ["__ann__", "__", "a.b c%2F", ".hidden", "%5F_ann__", "日本", "~", "auth0|7", long.as_str()];
    let mut expected = Vec::new();
    for name in names {
        let said = [(0, 900, name), (200_000, 201_000, "later")];
        for harness in [&harness, &calm] {
            harness.transcribe_batch(&testkit::build::batch_as(of(name), &uid(name), &[phone(0)]), &[&said]).await;
            harness.store.put_device(&device(&uid(name), "__phone__ é", name)).await.unwrap();
        }
        expected.push(Snapshot::take(&*calm.store, &uid(name)).await.unwrap());
    }
    for (name, expected) in names.into_iter().zip(expected) {
        assert_eq!(Snapshot::take(&*harness.store, &uid(name)).await.unwrap(), expected, "{name}");
    }
}

fn of(name: &str) -> domain::JobId {
    testkit::build::job_id(name.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))))
}
