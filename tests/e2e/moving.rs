//! Moving data from one data folder to another: all of a user's data is moved completely, and nothing is transcribed
//! again.

use serde_json::Value;
use testkit::skip;
use tests::disk::{Disk, NO_MOUNT};
use tests::recordings::T0;
use tests::{Client, Folder, Recording, Server, Setup};

/// All data that is moved, as clients read it.
async fn everything(client: &Client) -> (Vec<Value>, (u64, u64, u64)) {
    (client.conversations().await, client.usage().await)
}

/// A server that has worked for two users, one of whom has deleted a conversation.
async fn server_with_data() -> Server {
    let server = Setup::new().start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    ann.done(&[Recording::speech(T0), Recording::short(T0 + 100_000)]).await;
    ben.done(&[Recording::short(T0)]).await;
    ann.done(&[Recording::short(T0 + 200_000)]).await;
    let gone = ann.conversations().await.pop().unwrap();
    let path = format!("/v2/conversations/{}", gone["id"].as_str().unwrap());
    let answer = ann.send(ann.request(reqwest::Method::DELETE, &path)).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    server
}

#[tokio::test]
async fn user_data_moves_between_data_folders_without_new_transcription() {
    let server = server_with_data().await;
    let before = [everything(&server.client_of("ann").await).await, everything(&server.client_of("ben").await).await];
    assert_eq!((before[0].0.len(), before[1].0.len()), (2, 1));
    let old = server.setup().clone();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("moving.jsonl").display().to_string();
    let output = old.on_folder(&["export", &file]).await;
    assert!(output.refused().contains("another process uses the data folder"), "{output:?}");
    server.sigterm().await;

    let output = old.on_folder(&["export", &file]).await;
    assert_eq!(output.err, "", "{output:?}");
    assert!(output.out.contains("users: 2, conversations: 4, lines: 4, recordings: 4"), "{output:?}");
    let again = old.on_folder(&["export", &file]).await;
    assert!(again.refused().contains("there is a file already"), "{again:?}");

    let new = Setup::new();
    let output = new.on_folder(&["import", &file]).await.ok();
    assert!(
        output.contains("users: 2, conversations: 4") && output.contains("already there: 0, conflicts: 0"),
        "{output}"
    );
    let output = new.on_folder(&["import", &file]).await.ok();
    assert!(output.contains("written: 0,"), "{output}");
    let server = new.start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    assert_eq!([everything(&ann).await, everything(&ben).await], before);
    for known in [Recording::speech(T0), Recording::short(T0 + 200_000)] {
        let answer = ann.upload(&[known]).await;
        assert_eq!((&answer.body["status"], &answer.body["deduplicated"]), (&"completed".into(), &true.into()));
    }
    assert_eq!([everything(&ann).await, everything(&ben).await], before, "the deleted conversation stays deleted");
    assert_eq!(server.log.steps("transcribe"), 0);

    // One user has new data there; the other one's data is unchanged.
    ben.done(&[Recording::short(T0 + 300_000)]).await;
    let moved_on = everything(&ben).await;
    server.sigterm().await;
    let output = new.on_folder(&["import", &file]).await;
    assert_eq!(output.refused(), "afterword: not everything was imported: see above");
    assert!(output.out.contains("user ben already has other conversations here"), "{output:?}");
    let server = new.start().await;
    assert_eq!(everything(&server.client_of("ben").await).await, moved_on);
}

#[tokio::test]
async fn damaged_file_or_folder_in_use_imports_nothing() {
    let server = server_with_data().await;
    let old = server.setup().clone();
    server.sigterm().await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("moving.jsonl");
    let path = file.display().to_string();
    let output = old.on_folder(&["export", "--uid", "ben", &path]).await.ok();
    assert!(output.contains("users: 1, conversations: 1, lines: 1, recordings: 1"), "{output}");
    let output = old.on_folder(&["export", "--uid", "nobody", &format!("{path}.2")]).await;
    assert!(output.refused().contains("user nobody has nothing here"), "{output:?}");
    assert!(!place.path().join("moving.jsonl.2").exists());

    let whole = std::fs::read_to_string(&file).unwrap();
    let new = Setup::new();
    for (damaged, why) in [
        (whole[..whole.len() / 2].to_owned(), "breaks off"),
        (whole.replacen("\"stub\":false", "\"stub\":true", 1), "the file was changed"),
        ("hello\n".to_owned(), "line 1"),
    ] {
        std::fs::write(&file, damaged).unwrap();
        let output = new.on_folder(&["import", &path]).await;
        assert!(output.refused().contains(why) && output.refused().contains(&path), "{output:?}");
        assert!(!new.data_dir().exists(), "a failed import leaves no folder that was not there");
    }
    let deep = Setup::on(&place.path().join("a/b/c"));
    assert!(deep.on_folder(&["import", "no-such-file"]).await.refused().contains("no-such-file"));
    assert!(place.path().exists() && !place.path().join("a").exists());
    let server = new.start().await;
    server.client_of("ben").await.assert_empty().await;
    std::fs::write(&file, whole).unwrap();
    let output = new.on_folder(&["import", &path]).await;
    assert!(output.refused().contains("another process uses the data folder"), "{output:?}");
    assert!(new.data_dir().exists(), "a folder that was there stays");
}

#[tokio::test]
async fn export_into_the_data_folder_is_refused_also_through_links() {
    let server = server_with_data().await;
    let setup = server.setup().clone();
    server.sigterm().await;
    let place = tempfile::tempdir().unwrap();
    let link = place.path().join("link");
    std::os::unix::fs::symlink(setup.data_dir().join("blobs"), &link).unwrap();
    let before = setup.folder().files("");
    for inside in [setup.data_dir().join("moving.jsonl"), link.join("moving.jsonl")] {
        let output = setup.on_folder(&["export", &inside.display().to_string()]).await;
        assert!(output.refused().contains("inside the data folder"), "{output:?}");
    }
    assert_eq!(setup.folder().files(""), before);
}

#[tokio::test]
async fn full_disk_of_an_export_is_named_and_nothing_is_left_there() {
    let Some(disk) = Disk::new(1 << 20) else { skip!(NO_MOUNT) };
    let server = server_with_data().await;
    let setup = server.setup().clone();
    server.sigterm().await;
    disk.fill_up_to(0);
    let file = disk.path("moving.jsonl").display().to_string();
    let output = setup.on_folder(&["export", &file]).await;
    assert!(output.refused().contains(&file) && output.refused().contains("the disk is full"), "{output:?}");
    assert_eq!(Folder::new(&disk.path("")).files(""), ["ballast"]);
}
