//! What Google's own testbench makes go wrong in its own way, where it is the one that answers: it keeps other pieces of a
//! broken request than the stand-in does, and breaks off elsewhere. No registry of packages carries it, so that no suite can
//! start it by itself: these run when they are asked for beside one that is running (`docs/CLOUD.md`). What they ask of the
//! adapter is asked of it in every run too, by the stand-in's faults (`broken.rs`, `writing.rs`, `reading.rs`, `refused.rs`).

use testkit::memory::describe;

use super::*;

/// A service that will do these wrong.
async fn with(transport: &str, method: &str, faults: &[&str]) -> Fixture {
    let at = fixture().await;
    let ordered = at.cloud.order_elsewhere(transport, method, faults);
    assert!(ordered, "STORAGE_EMULATOR_HOST names no testbench of Google's, which could do wrong by itself");
    at
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which no registry carries: docs/CLOUD.md says how to run it"]
async fn a_large_write_comes_whole_through_the_testbenchs_own_faults() {
    let bytes = sound(3 * MIB + 77);
    let cases: [&[&str]; 9] = [
        &["return-503", "return-429", "return-503"],
        &["return-408", "return-500", "return-502"],
        &["return-reset-connection", "return-reset-connection"],
        &["return-503-after-256K"],
        &["return-503-after-1536K", "return-408"],
        // Its middle of a quantum is kept there, too.
        &["return-503-after-1300K", "return-503"],
        &["return-503-after-1300K", "return-504-after-2100K"],
        &["return-503-after-3072K"],
        // The last chunk is taken, and the answer breaks off.
        &["return-broken-stream-final-chunk-after-100B"],
    ];
    for faults in cases {
        let at = with("HTTP", "storage.objects.insert", faults).await;
        assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes), "{faults:?}");
        assert!(at.stands().unwrap() == bytes, "{faults:?}");
        assert!(at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which no registry carries: docs/CLOUD.md says how to run it"]
async fn a_small_write_comes_whole_through_the_testbenchs_own_faults() {
    let bytes = sound(400 * 1024);
    let cases: [&[&str]; 3] =
        [&["return-503", "return-429"], &["return-reset-connection", "return-500"], &["return-503-after-256K"]];
    for faults in cases {
        let at = with("HTTP", "storage.objects.insert", faults).await;
        assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes), "{faults:?}");
        assert!(at.stands().unwrap() == bytes && at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}

#[tokio::test]
#[ignore = "orders faults of Google's storage-testbench, which no registry carries: docs/CLOUD.md says how to run it"]
async fn a_read_comes_whole_through_the_testbenchs_own_faults() {
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
#[ignore = "orders faults of Google's storage-testbench, which no registry carries: docs/CLOUD.md says how to run it"]
async fn lists_and_deletions_pass_the_testbenchs_own_faults() {
    for faults in [&["return-503", "return-429"], &["return-reset-connection", "return-500"]] {
        let at = with("GRPC", "storage.objects.list", faults).await;
        at.cloud.put(name().as_str(), &b"sound"[..]);
        assert_eq!(at.blobs.list("uploads/", None, 10).await.unwrap().len(), 1, "{faults:?}");
        assert!(at.cloud.has_struck_elsewhere(), "{faults:?}");
        assert!(at.cloud.order_elsewhere("GRPC", "storage.objects.delete", faults));
        at.blobs.delete(&name()).await.unwrap();
        assert!(at.stands().is_none() && at.cloud.has_struck_elsewhere(), "{faults:?}");
    }
}
