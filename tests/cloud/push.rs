//! `afterword push` against both functions: small files go through the upload function, large ones straight to the storage.

use std::path::Path;

use emulators::storage::Op;
use testkit::skip;
use tests::cloud::Cloud;
use tests::program::{self, CommandOutput};
use tests::recordings::{self, T0};
use tests::{Recording, eventually};

use crate::journey::cloud;

/// Larger than what a device sends through the upload function.
const LARGE: usize = 9 << 20;

async fn push(home: &Path, server: &str, token: &str, files: &[&str]) -> CommandOutput {
    let env = [
        ("HOME", home.display().to_string()),
        ("PATH", std::env::var("PATH").unwrap()),
        ("AFTERWORD_SERVER", server.to_owned()),
        ("AFTERWORD_TOKEN", token.to_owned()),
    ];
    let env: Vec<_> = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    program::with_env(&[&["push"], files].concat(), &env).await
}

#[tokio::test]
async fn files_pushed_to_the_functions_become_words_and_large_ones_go_straight_to_the_storage() {
    let cloud = cloud!();
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let home = tempfile::tempdir().unwrap();
    let write = |recording: &Recording| {
        let path = home.path().join(&recording.name);
        std::fs::write(&path, &recording.bytes).unwrap();
        path.display().to_string()
    };
    let small = write(&Recording::speech(T0));
    let large = write(&Recording::large(T0 + 3_600, &recordings::large(LARGE)));
    let token = cloud.token("ann");
    let pushed = push(home.path(), &upload.url, &token, &[&small, &large]).await;
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    let client = cloud.client(&upload, "ann");
    let segments = client.segments().await;
    assert_eq!(segments.len(), 2, "{segments:?}");
    for segment in &segments {
        assert!(pushed.out.contains(segment["text"].as_str().unwrap()), "{segment}: {pushed:?}");
    }
    // The bytes of the large file went to the storage, and the user's token did not.
    let chunks: Vec<_> = cloud.storage.seen().into_iter().filter(|seen| seen.op == Op::Chunk).collect();
    assert!(!chunks.is_empty(), "no bytes went straight to the storage");
    assert!(chunks.iter().all(|seen| !seen.authorized), "a token was sent to the storage");
    assert_eq!(cloud.storage.count(Op::Insert), 1, "only the small file went through the function");
    // Once more, as on another computer: nothing is transcribed or counted twice.
    let elsewhere = tempfile::tempdir().unwrap();
    let again = push(elsewhere.path(), &upload.url, &token, &[&small, &large]).await;
    assert_eq!((again.code, &again.out), (Some(0), &pushed.out), "{again:?}");
    assert_eq!((client.segments().await.len(), client.usage().await.0), (2, 2));
    eventually("the blobs are gone", tests::wait::PATIENCE, async || cloud.storage.names().is_empty().then_some(()))
        .await;
}
