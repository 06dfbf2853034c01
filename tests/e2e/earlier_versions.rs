//! Data folders and exports of earlier versions: all of them open, and nothing in them is done twice.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::earlier::{self, ANN, ARCHIVES, Archive, BEN, EXPORT, FOLDER};
use tests::{Client, Recording, Setup};

fn unpacked(archive: &Archive) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(archive.file);
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place.path()).status().unwrap();
    assert!(unpacked.success(), "{unpacked}");
    place
}

/// What stands in the conversations at the time of this recording.
async fn texts(client: &Client, of: &Recording) -> Vec<String> {
    let id = |segment: &Value| segment["recording_id"].as_str().unwrap().to_owned();
    let text = |segment: &Value| segment["text"].as_str().unwrap().to_owned();
    let answer = client.upload(std::slice::from_ref(of)).await.ok();
    let job = client.terminal(answer["job_id"].as_str().unwrap()).await;
    let wanted: Vec<&str> =
        job["files"][0]["conversation_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let all = client.conversations().await;
    let of_it = all.into_iter().filter(|one| wanted.contains(&one["id"].as_str().unwrap()));
    let segments: Vec<Value> = of_it.flat_map(|one| one["segments"].as_array().unwrap().clone()).collect();
    assert!(segments.iter().all(|segment| id(segment) == id(&segments[0])), "one recording in each conversation");
    segments.iter().map(text).collect()
}

/// Segments that were ever counted: also those of the day on which the folder was made.
async fn placed(client: &Client) -> u64 {
    let usage = client.get("/v2/usage?from=2026-11-01T00:00:00Z").await.ok();
    usage["buckets"].as_array().unwrap().iter().map(|hour| hour["segments"].as_u64().unwrap()).sum()
}

/// Checks what must be true of the earlier version's recordings, wherever they are stored now.
async fn goes_on(archive: &Archive, ann: &Client, ben: &Client) {
    assert!((2..=3).contains(&placed(ann).await), "the one that is done, and half of the other, or by now all of it");
    let known = ann.upload(&[earlier::done()]).await.ok();
    assert_eq!((&known["status"], &known["deduplicated"]), (&"completed".into(), &true.into()));

    // Cut at another level, its text would be another: the null engine's words are a hash of the samples.
    let whole = texts(ben, &earlier::half()).await;
    assert_eq!(whole.len(), 2);
    assert_eq!(texts(ann, &earlier::half()).await, whole, "the rest is cut at the one gain of the plan");
    assert_eq!(placed(ann).await, 3, "what was placed is not placed again");

    if archive.silence_is_outdated {
        let again = ann.upload(&[earlier::silent()]).await.ok();
        assert_eq!(again["deduplicated"], false, "what the earlier rules called silent is heard again");
        let job = ann.terminal(again["job_id"].as_str().unwrap()).await;
        assert_eq!((&job["status"], &job["files"][0]["status"]), (&"completed".into(), &"silent".into()), "{job}");
    }
    let known = ann.upload(&[earlier::silent()]).await.ok();
    assert_eq!(
        (&known["status"], &known["deduplicated"]),
        (&"completed".into(), &true.into()),
        "and from then on known"
    );

    let invalid = ann.done(&[earlier::invalid()]).await;
    assert_eq!(invalid["files"][0]["code"], "invalid_audio");
    let failed = ann.done(&[earlier::failed()]).await;
    assert_eq!(failed["status"], "completed", "{failed}");
    assert_eq!(placed(ann).await, 4);
}

#[tokio::test]
async fn data_folder_of_an_earlier_version_is_continued_where_it_stopped() {
    for archive in &ARCHIVES {
        let place = unpacked(archive);
        let server = Setup::on(&place.path().join(FOLDER)).start().await;
        goes_on(archive, &server.client_of(ANN).await, &server.client_of(BEN).await).await;
    }
}

#[tokio::test]
async fn export_of_an_earlier_version_is_imported_and_continued() {
    for archive in &ARCHIVES {
        let (place, new) = (unpacked(archive), Setup::new());
        let said = new.on_folder(&["import", &place.path().join(EXPORT).display().to_string()]).await.ok();
        assert!(said.contains("conflicts: 0"), "{said}");
        let server = new.start().await;
        goes_on(archive, &server.client_of(ANN).await, &server.client_of(BEN).await).await;
    }
}
