//! Moving data from a data folder to Google Cloud, and back.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use testkit::skip;
use tests::cloud::Cloud;
use tests::program::{self, Spawned, run};
use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Setup, eventually};

use crate::journey::cloud;

#[tokio::test]
async fn user_data_moves_from_a_data_folder_to_the_cloud_and_back() {
    let cloud = cloud!();
    let server = Setup::new().start().await;
    let client = server.client_of("ann").await;
    client.done(&[Recording::speech(T0), Recording::short(T0 + 100_000)]).await;
    let before = (client.conversations().await, client.usage().await);
    assert_eq!(before.0.len(), 2);
    let old = server.setup().clone();
    server.sigterm().await;
    let place = tempfile::tempdir().unwrap();
    let [there, back] = ["there", "back"].map(|name| place.path().join(name).display().to_string());
    old.on_folder(&["export", &there]).await.ok();

    // Of all the settings of a function, the database is enough.
    let mut env = cloud.env();
    env.retain(|(name, _)| name == "GOOGLE_CLOUD_PROJECT" || name == "FIRESTORE_EMULATOR_HOST");
    let output = run("afterword-process", &["import", &there], &env).await.ok();
    assert!(
        output.contains("users: 1, conversations: 2") && output.contains("already there: 0, conflicts: 0"),
        "{output}"
    );
    let output = run("afterword-process", &["import", &there], &env).await.ok();
    assert!(output.contains("written: 0,"), "{output}");

    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    assert_eq!((client.conversations().await, client.usage().await), before);
    let answer = client.upload(&[Recording::speech(T0)]).await;
    assert_eq!((&answer.body["status"], &answer.body["deduplicated"]), (&"completed".into(), &true.into()));

    run("afterword-process", &["export", &back], &env).await.ok();
    let new = Setup::new();
    new.on_folder(&["import", &back]).await.ok();
    let server = new.start().await;
    let client = server.client_of("ann").await;
    assert_eq!((client.conversations().await, client.usage().await), before);
}

#[tokio::test]
async fn export_that_waits_for_the_database_ends_with_a_signal_and_leaves_nothing() {
    // It accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(program::path().with_file_name("afterword-process"));
    command.arg("export").arg(place.path().join("there.jsonl")).stderr(Stdio::piped());
    command.env("GOOGLE_CLOUD_PROJECT", "demo-afterword");
    let export = Spawned::of(command.env("FIRESTORE_EMULATOR_HOST", silent.local_addr().unwrap().to_string()));
    let files = || std::fs::read_dir(place.path()).unwrap().count();
    eventually("the export has begun", PATIENCE, async || (files() > 0).then_some(())).await;
    export.signal(Signal::TERM);
    let ended = export.end();
    assert_eq!((ended.code, files()), (Some(143), 0), "{ended:?}");
    assert!(ended.err.contains("SIGTERM: the export was ended; nothing of it is left"), "{ended:?}");
}
