//! Makes `tests/fixtures/earlier/<version>.tar.gz`: a data folder with recordings in every state, and its export. To be run
//! at the commit that the archive is of; `AFTERWORD_PROGRAMS` is where the programs of that commit are.

#![allow(clippy::unwrap_used, reason = "a tool of the tests, where a panic is the message")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use afterword_tests::{Setup, earlier};

#[tokio::main]
async fn main() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join(earlier::FOLDER);
    let setup = Setup::on(&folder);

    let server = setup.start().await;
    let (ann, ben) = (server.client_of(earlier::ANN).await, server.client_of(earlier::BEN).await);
    for recording in [earlier::done(), earlier::silent(), earlier::invalid()] {
        println!("{} is {}", recording.name, ann.done(&[recording]).await["files"][0]["status"]);
    }
    println!("{} is {}", earlier::half().name, ben.done(&[earlier::half()]).await["files"][0]["status"]);
    server.sigterm().await;

    let server = setup.clone().with("engine.null_fail", "refuse").start().await;
    let failed = server.client_of(earlier::ANN).await.done(&[earlier::failed()]).await;
    println!("{} is {}", earlier::failed().name, failed["files"][0]["status"]);
    server.sigterm().await;

    let slow = setup.clone().with("engine.null_delay_ms", 1_000).with("engine.parallelism", 1);
    let server = slow.start().await;
    server.running.kill_at("place", 1);
    server.client_of(earlier::ANN).await.accepted(&[earlier::half()]).await;
    server.wait_killed(Duration::from_secs(60)).await;

    let export = place.path().join(earlier::EXPORT).display().to_string();
    println!("{:?}", setup.on_folder(&["export", &export]).await);
    // Nobody needs the keys of a folder that is thrown away.
    std::fs::remove_dir_all(folder.join("secrets")).unwrap();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(earlier::ARCHIVE);
    let made = Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(place.path());
    let made = made.args([earlier::FOLDER, earlier::EXPORT]).status().unwrap();
    println!("{}: {made}", archive.display());
}
