//! `afterword restore`: signals, full disks, what a killed one left, wrong targets.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::skip;
use tests::disk::{Disk, NO_MOUNT};
use tests::program::{self, CommandOutput};
use tests::wait::PATIENCE;
use tests::{Folder, Setup, afterword, eventually};

const MIB: u64 = 1 << 20;
/// It takes long enough to copy that a signal comes in between.
const LONG_TO_COPY: u64 = 256 * MIB;

/// A backup folder `kept` with staged audio of this size.
async fn kept(audio_bytes: u64) -> (Setup, TempDir) {
    let (setup, place) = (Setup::new(), tempfile::tempdir().unwrap());
    // A server that runs would remove audio that no job needs.
    drop(setup.start().await);
    let audio = setup.data_dir().join("blobs/uploads/somebody/some-job/0-recording.bin");
    std::fs::create_dir_all(audio.parent().unwrap()).unwrap();
    std::fs::File::create(&audio).unwrap().set_len(audio_bytes).unwrap();
    setup.on_folder(&["backup", "--to", &place.path().join("kept").display().to_string()]).await.ok();
    (setup, place)
}

async fn restore(place: &TempDir, to: &Path) -> CommandOutput {
    afterword(&["restore", "--data-dir", &to.display().to_string(), &place.path().join("kept").display().to_string()])
        .await
}

fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn restore_ended_by_a_signal_leaves_nothing_and_says_so() {
    let (_setup, place) = kept(LONG_TO_COPY).await;
    let mut command = Command::new(program::path());
    command.args(["restore", "--data-dir"]).arg(place.path().join("new")).arg(place.path().join("kept"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the restore has begun", PATIENCE, async || (names(place.path()).len() > 1).then_some(())).await;
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{said}");
    assert!(said.contains("SIGTERM") && said.contains("nothing of it is left"), "{said}");
    assert_eq!(names(place.path()), ["kept"]);
}

#[tokio::test]
async fn what_a_killed_restore_left_is_removed_by_the_next_one_but_that_of_a_running_one_is_not() {
    let (_setup, place) = kept(1).await;
    let [stale, running] = ["stale", "running"].map(|name| place.path().join(format!(".{name}.1.afterword-restore")));
    for folder in [&stale, &running] {
        std::fs::create_dir(folder).unwrap();
        std::fs::write(folder.join("store.db"), "x").unwrap();
    }
    let lock = std::fs::File::open(&running).unwrap();
    lock.lock().unwrap();
    let said = restore(&place, &place.path().join("new")).await.ok();
    assert!(said.contains(&stale.display().to_string()) && said.contains("is removed"), "{said}");
    assert_eq!(names(place.path()), [".running.1.afterword-restore", "kept", "new"]);
}

#[tokio::test]
async fn full_disk_of_the_new_data_folder_is_named_and_nothing_is_left_there() {
    let Some(disk) = Disk::new(2 * MIB as usize) else { skip!(NO_MOUNT) };
    let (_setup, place) = kept(4 * MIB).await;
    let output = restore(&place, &disk.path("new")).await;
    let line = output.refused();
    assert!(line.contains(&disk.path("").display().to_string()), "{line}");
    assert!(line.contains("the disk of the new data folder is full"), "{line}");
    assert_eq!(names(&disk.path("")), [""; 0]);
}

#[tokio::test]
async fn restore_into_the_backup_is_refused() {
    let (_setup, place) = kept(1).await;
    let before = Folder::new(&place.path().join("kept")).files("");
    for inside in ["kept/new", "kept/files/new/data"] {
        let output = restore(&place, &place.path().join(inside)).await;
        assert!(output.refused().contains("inside the backup"), "{output:?}");
    }
    assert_eq!(Folder::new(&place.path().join("kept")).files(""), before);
}
