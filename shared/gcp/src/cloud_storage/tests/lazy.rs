//! Connections and credentials are only created when they are needed.

use flow::Kind;
use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use super::*;

/// There is no runtime, so nothing can connect.
#[test]
fn creating_adapters_needs_no_connection_or_credentials() {
    let (storage, _) = storage(Settings::new(BUCKET));
    let (blobs, uploads) = (GcsBlobs::new(storage.clone()), GcsUploads::new(storage));
    drop((blobs, uploads));
}

#[tokio::test]
async fn unreachable_service_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    drop(listener);
    let (storage, _) = storage(Settings { endpoint, policy: impatient(), ..Settings::new(BUCKET) });
    let blobs = GcsBlobs::new(storage);
    let mut writer = blobs.create(&name()).await.unwrap();
    writer.write("sound".into()).await.unwrap();
    assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(blobs.read(&name(), 0).await.err().map(|error| error.kind), Some(Kind::Unavailable));
    assert_eq!(blobs.list("", None, 1).await.unwrap_err().kind, Kind::Unavailable);
}

/// The environment belongs to the whole process.
#[test]
fn unreadable_credentials_are_misconfigured_at_first_use() {
    let test = "cloud_storage::tests::lazy::unreadable_credentials_are_misconfigured_at_first_use";
    if !is_alone() {
        assert_eq!(run_alone(&["--exact", test], &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")]), 1);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (storage, _) = storage(Settings::new(BUCKET));
        let error = GcsBlobs::new(storage).read(&name(), 0).await.err().unwrap();
        assert_eq!(error.kind, Kind::Misconfigured);
        assert!(error.to_string().contains("/nowhere/key.json"), "{error}");
    });
}

#[derive(Debug)]
struct Expired {
    is_transient: bool,
}

impl CredentialsProvider for Expired {
    async fn headers(&self, _: Extensions) -> std::result::Result<CacheableResource<HeaderMap>, CredentialsError> {
        Err(CredentialsError::from_msg(self.is_transient, "the key was revoked"))
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn failing_credentials_are_misconfigured_unless_transient() {
    let at = fixture().await;
    for (is_transient, kind) in [(false, Kind::Misconfigured), (true, Kind::Unavailable)] {
        let storage = Storage::new(settings(&at.cloud), at.clock.clone(), Arc::new(SeededRandom::new(1)));
        let blobs = GcsBlobs::new(Arc::new(storage.with_credentials(Expired { is_transient }.into())));
        let mut writer = blobs.create(&name()).await.unwrap();
        writer.write("sound".into()).await.unwrap();
        let read = blobs.read(&name(), 0).await.map(drop);
        let outcomes = [writer.finish().await.map(drop), read, blobs.list("", None, 1).await.map(drop)];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains("the key was revoked"), "{error}");
        }
    }
    assert_eq!(at.cloud.seen(), []);
}
