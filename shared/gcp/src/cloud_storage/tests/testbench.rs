//! Faults that Google's own testbench produces in its own way: it keeps other parts of an interrupted
//! request than the fake does, and breaks off elsewhere. It is not published as a package, so no suite can
//! start it: these tests run on demand beside a running testbench (`docs/CLOUD.md`). In every run the
//! fake's faults demand the same of the adapter (`broken.rs`, `writing.rs`, `reading.rs`,
//! `refused.rs`).

use testkit::memory::describe;

use super::*;

/// A testbench that will produce these faults.
async fn with(transport: &str, method: &str, faults: &[&str]) -> Fixture {
    let at = fixture().await;
    let ordered = at.cloud.order_elsewhere(transport, method, faults);
    assert!(ordered, "STORAGE_EMULATOR_HOST names no testbench of Google's, which could do wrong by itself");
    at
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which is not published as a package: docs/CLOUD.md says how to run it"]
async fn large_write_completes_despite_testbench_faults() {
    let bytes = sound(3 * MIB + 77);
    let cases: [&[&str]; 9] = [
        &["return-503", "return-429", "return-503"],
        &["return-408", "return-500", "return-502"],
        &["return-reset-connection", "return-reset-connection"],
        &["return-503-after-256K"],
        &["return-503-after-1536K", "return-408"],
        // The testbench also keeps bytes up to the middle of a quantum.
        &["return-503-after-1300K", "return-503"],
        &["return-503-after-1300K", "return-504-after-2100K"],
        &["return-503-after-3072K"],
        // The last chunk is accepted, and the answer breaks off.
        &["return-broken-stream-final-chunk-after-100B"],
    ];
    for faults in cases {
        let at = with("HTTP", "storage.objects.insert", faults).await;
        assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes), "{faults:?}");
        assert!(at.stored().unwrap() == bytes, "{faults:?}");
        assert!(at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which is not published as a package: docs/CLOUD.md says how to run it"]
async fn small_write_completes_despite_testbench_faults() {
    let bytes = sound(400 * 1024);
    let cases: [&[&str]; 3] =
        [&["return-503", "return-429"], &["return-reset-connection", "return-500"], &["return-503-after-256K"]];
    for faults in cases {
        let at = with("HTTP", "storage.objects.insert", faults).await;
        assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes), "{faults:?}");
        assert!(at.stored().unwrap() == bytes && at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which is not published as a package: docs/CLOUD.md says how to run it"]
async fn read_completes_despite_testbench_faults() {
    let bytes = sound(900_001);
    let cases: [&[&str]; 5] = [
        &["return-503", "return-429", "return-408"],
        &["return-reset-connection", "return-504"],
        &["return-broken-stream"],
        &["return-broken-stream-after-300K", "return-503"],
        &["return-broken-stream-after-300K", "return-broken-stream-after-200K"],
    ];
    for faults in cases {
        let at = with("HTTP", "storage.objects.get", faults).await;
        at.cloud.put(name().as_str(), bytes.clone());
        assert!(at.read(0).await.unwrap() == bytes, "{faults:?}");
        assert!(at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which is not published as a package: docs/CLOUD.md says how to run it"]
async fn lists_and_deletions_complete_despite_testbench_faults() {
    for faults in [&["return-503", "return-429"], &["return-reset-connection", "return-500"]] {
        let at = with("GRPC", "storage.objects.list", faults).await;
        at.cloud.put(name().as_str(), &b"sound"[..]);
        assert_eq!(at.blobs.list("uploads/", None, 10).await.unwrap().len(), 1, "{faults:?}");
        assert!(at.cloud.has_struck_elsewhere(), "{faults:?}");
        assert!(at.cloud.order_elsewhere("GRPC", "storage.objects.delete", faults));
        at.blobs.delete(&name()).await.unwrap();
        assert!(at.stored().is_none() && at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}
