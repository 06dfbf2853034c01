//! The commands beside `serve`: they work while the server runs, and print one line when they cannot.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Client, Recording, Setup, afterword, program};

const FOR_EVER_MS: u64 = 600_000;

#[tokio::test]
async fn folder_in_use_is_refused_and_its_server_keeps_running() {
    let setup = Setup::new();
    let server = setup.start().await;
    let line = setup.refused().await;
    assert!(line.contains(&setup.data_dir().display().to_string()), "{line}");
    assert!(line.contains("another") || line.contains("in use"), "{line}");
    assert_eq!(server.client().get("/readyz").await.status, 200);
    server.kill9().await;
    setup.start().await;
}

#[tokio::test]
async fn token_command_prints_only_the_token_also_while_the_server_runs() {
    let setup = Setup::new();
    let server = setup.start().await;
    let output = setup.on_folder(&["token", "--uid", "ann", "--ttl", "2h"]).await;
    assert_eq!((output.out.lines().count(), output.err.as_str()), (1, ""), "{output:?}");
    let client = server.client().with_token(output.out.trim());
    assert_eq!(client.get("/v2/sync/jobs").await.status, 200);
    let alone = setup.token("ann").await;
    assert_eq!(client.with_token(&alone).get("/v2/usage").await.status, 200);
    server.kill9().await;
    let later = setup.token("ann").await;
    let server = setup.start().await;
    assert_eq!(
        server.client().with_token(&later).get("/v2/usage").await.status,
        200,
        "created while the server was down"
    );
    for wrong in [&["token", "--uid", ""][..], &["token", "--uid", "a/b"], &["token", "--ttl", "soon"]] {
        assert_ne!(setup.on_folder(wrong).await.code, Some(0), "{wrong:?}");
    }
}

#[tokio::test]
async fn commands_on_a_missing_folder_fail_and_do_not_create_it() {
    let parent = tempfile::tempdir().unwrap();
    let nowhere = parent.path().join("nowhere");
    let (path, file) = (nowhere.display().to_string(), parent.path().join("copy.tar").display().to_string());
    for command in [
        &["token", "--data-dir", &path][..],
        &["admin", "--data-dir", &path, "jobs"],
        &["backup", "--data-dir", &path, &file],
    ] {
        let output = afterword(command).await;
        assert!(output.refused().contains(&path), "{output:?}");
        assert_eq!(output.out, "");
    }
    assert!(!nowhere.exists());
}

/// Everything that clients can read.
async fn everything(client: &Client) -> (Vec<Value>, Vec<Value>, (u64, u64, u64)) {
    (client.jobs().await, client.conversations().await, client.usage().await)
}

#[tokio::test]
async fn backup_taken_during_uploads_restores_everything() {
    let setup = Setup::new().with("engine.null_delay_ms", 100);
    let server = setup.start().await;
    let client = server.client();
    client.put_device("phone", "token").await;
    let before = client.done(&[Recording::speech(T0)]).await;
    let under_way = async {
        let recordings: Vec<_> = (1..=20).map(|n| [Recording::short(T0 + n * 1000)]).collect();
        join_all(recordings.iter().map(|files| client.accepted(files))).await.into_iter().collect::<BTreeSet<String>>()
    };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("copy.tar").display().to_string();
    let backup = ["backup", &file];
    let (ids, output) = tokio::join!(under_way, setup.on_folder(&backup));
    output.ok();
    let again = setup.on_folder(&backup).await;
    assert!(again.refused().contains(&file), "an existing archive is not overwritten: {again:?}");

    let restored = place.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    program::shell(&format!("tar -xf '{file}' -C '{}'", restored.display())).await;
    let restored = Setup::on(&restored).start().await;
    let copy = Client::new(&restored.url, &server.token);
    assert_eq!(
        copy.job(before["job_id"].as_str().unwrap()).await["status"],
        "completed",
        "the old token still opens it"
    );
    // A job is in the copy completely, or not at all.
    for job in copy.jobs().await {
        let job_id = job["job_id"].as_str().unwrap();
        assert!(ids.contains(job_id) || job_id == before["job_id"], "{job}");
        let ended = copy.terminal(job_id).await;
        assert_eq!(ended["status"], "completed", "{ended}");
    }
    let segments = copy.segments().await.len() as u64;
    assert_eq!(copy.usage().await.0, segments);
    restored.folder().until_no_blobs(PATIENCE).await;
}

#[tokio::test]
async fn restored_backup_of_an_idle_server_gives_the_same_answers() {
    let setup = Setup::new();
    let server = setup.start().await;
    let client = server.client();
    let job = client.done(&[Recording::speech(T0), Recording::garbage(T0 + 1000)]).await;
    server.log.wait_step("push", job["job_id"].as_str().unwrap()).await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("copy.tar").display().to_string();
    setup.on_folder(&["backup", &file]).await.ok();
    let folder = place.path().join("restored");
    std::fs::create_dir(&folder).unwrap();
    program::shell(&format!("tar -xf '{file}' -C '{}'", folder.display())).await;
    let restored = Setup::on(&folder).start().await;
    assert_eq!(everything(&Client::new(&restored.url, &server.token)).await, everything(&client).await);
    assert_eq!(
        restored.folder().blobs().len(),
        server.folder().blobs().len(),
        "the audio for a retry is restored, too"
    );
}

#[tokio::test]
async fn admin_lists_and_cancels_jobs() {
    let setup = Setup::new().with("engine.null_fail", "refuse").with("sweep.interval_seconds", 1);
    let server = setup.start().await;
    let failed = server.client().done(&[Recording::speech(T0)]).await;
    let failed_id = failed["job_id"].as_str().unwrap();
    let listed = setup.on_folder(&["admin", "jobs"]).await.ok();
    assert!(listed.contains(failed_id) && listed.contains("failed") && listed.contains("local"), "{listed}");
    let none = setup.on_folder(&["admin", "jobs", "--uid", "ann", "--json"]).await.ok();
    assert_eq!(none, "");
    let shown: Value = serde_json::from_str(&setup.on_folder(&["admin", "show", failed_id]).await.ok()).unwrap();
    assert_eq!((&shown["id"], &shown["status"]), (&json!(failed_id), &json!("failed")));
    server.kill9().await;

    let setup = setup.with("engine.null_fail", "").with("engine.null_delay_ms", FOR_EVER_MS);
    let server = setup.start().await;
    let running = server.client().accepted(&[Recording::speech(T0 + 1000)]).await;
    server.log.wait_step("claim", &running).await;
    let output = setup.on_folder(&["admin", "cancel", &running]).await.ok();
    assert!(output.contains(&running) && output.contains("cancelled"), "{output}");
    assert_eq!(server.client().job(&running).await["status"], "cancelled");
    let twice = setup.on_folder(&["admin", "cancel", failed_id]).await;
    assert!(twice.refused().contains(failed_id), "a finished job is not cancelled: {twice:?}");
    server.kill9().await;

    let setup = setup.with("engine.null_delay_ms", 0);
    let server = setup.start().await;
    // Another engine may accept audio that one refused: it was kept for that.
    setup.on_folder(&["admin", "redrive", failed_id]).await.ok();
    server.client().until(failed_id, "has run again", |job| job["status"] == "completed").await;
    server.folder().until_no_blobs(PATIENCE).await;
    let output = setup.on_folder(&["admin", "redrive", failed_id]).await;
    assert!(output.refused().contains(failed_id), "it is completed: {output:?}");
}

#[tokio::test]
async fn redriven_job_runs_again_for_unfinished_files() {
    // The engine keeps failing on single calls: attempts run out, and the audio is kept for a retry.
    let setup = Setup::new().with("sweep.interval_seconds", 1).with("jobs.max_attempts", 1);
    let server = setup.clone().with("engine.null_delay_ms", FOR_EVER_MS).with("jobs.lease_seconds", 1).start().await;
    let job_id = server.client().accepted(&[Recording::speech(T0)]).await;
    server.log.wait_step("plan", &job_id).await;
    server.kill9().await;
    let server = setup.with("jobs.lease_seconds", 1).start().await;
    let lost = server.client().terminal(&job_id).await;
    assert_eq!((&lost["status"], &lost["error"]["code"]), (&json!("failed"), &json!("worker_lost")), "{lost}");
    server.setup().on_folder(&["admin", "redrive", &job_id]).await.ok();
    let job = server.client().until(&job_id, "has run again", |job| job["status"] == "completed").await;
    assert_eq!((&job["error"], &job["attempt"]), (&Value::Null, &json!(1)), "{job}");
    server.folder().until_no_blobs(PATIENCE).await;
}

#[tokio::test]
async fn admin_command_with_an_unknown_job_is_refused() {
    let setup = Setup::new();
    let _server = setup.start().await;
    let unknown = "11111111-1111-4111-8111-111111111111";
    for command in ["show", "cancel", "redrive"] {
        for id in [unknown, "mine"] {
            let output = setup.on_folder(&["admin", command, id]).await;
            assert!(output.refused().contains(id), "{command}: {output:?}");
        }
    }
    let output = setup.on_folder(&["admin", "jobs", "--status", "sleeping"]).await;
    assert!(output.refused().contains("sleeping"), "{output:?}");
}

#[tokio::test]
async fn command_on_a_folder_without_a_store_says_so_and_creates_nothing() {
    let setup = Setup::new();
    std::fs::create_dir(setup.data_dir()).unwrap();
    std::fs::write(setup.data_dir().join("lock"), "").unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file").display().to_string();
    for args in
        [["vacuum"].as_slice(), &["admin", "jobs"], &["backup", &file], &["backup", "--to", &file], &["export", &file]]
    {
        let output = setup.on_folder(args).await;
        let line = output.refused();
        assert!(line.contains(&setup.data_dir().display().to_string()), "{args:?}: {line}");
        assert!(line.contains("no store yet") && line.contains("start the server"), "{args:?}: {line}");
        assert_eq!(setup.folder().files(""), ["lock"], "{args:?}");
    }
    assert!(!place.path().join("file").exists());
}
