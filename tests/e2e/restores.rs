//! `afterword restore`: signals, full disks, what a killed one left, wrong targets.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::skip;
use tests::disk::{Disk, NO_MOUNT};
use tests::program::{self, CommandOutput, Spawned};
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
    assert_eq!(said.contains("chown -R"), rustix::process::geteuid().is_root(), "only root is told: {said}");
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

/// Owner, group and mode.
fn rights(path: &Path) -> (u32, u32, u32) {
    let about = std::fs::metadata(path).unwrap();
    (about.uid(), about.gid(), about.mode() & 0o777)
}

#[tokio::test]
async fn restore_fills_a_mount_point_with_lost_and_found_and_gives_it_to_its_owner() {
    let Some(disk) = Disk::new(32 * MIB as usize) else { skip!(NO_MOUNT) };
    let (setup, place) = kept(MIB).await;
    let folder = disk.path("");
    std::fs::create_dir(folder.join("lost+found")).unwrap();
    std::os::unix::fs::chown(&folder, Some(4711), Some(4712)).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
    // A restore that was killed here is cleaned up.
    std::fs::create_dir(folder.join(".data.1.afterword-restore")).unwrap();
    std::fs::create_dir(folder.join("secrets")).unwrap();
    restore(&place, &folder).await.ok();
    assert_eq!(names(&folder), ["blobs", "lost+found", "secrets", "store.db"]);
    assert_eq!(rights(&folder), (4711, 4712, 0o750), "the folder stays as it was");
    for (name, mode) in [("blobs/uploads", 0o700), ("secrets/task-secret", 0o600), ("store.db", 0o600)] {
        assert_eq!(rights(&folder.join(name)), (4711, 4712, mode), "{name}");
    }
    let again = restore(&place, &folder).await;
    assert!(again.refused().contains("something already") && again.refused().contains("lost+found"), "{again:?}");
    let copy = Setup::on(&folder).start().await;
    // The copy has the secrets of the original: it takes the same tokens.
    let client = tests::Client::new(&copy.url, &setup.token("local").await);
    assert_eq!(client.jobs().await.len(), 0);
}

#[tokio::test]
async fn restore_follows_a_link_to_an_empty_folder_and_refuses_any_other_content() {
    let (_setup, place) = kept(1).await;
    let (real, link) = (place.path().join("real"), place.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    std::fs::write(real.join(".keep"), "").unwrap();
    let refused = restore(&place, &link).await;
    assert!(refused.refused().contains(".keep"), "{refused:?}");
    assert_eq!(names(&real), [".keep"]);
    std::fs::remove_file(real.join(".keep")).unwrap();
    restore(&place, &link).await.ok();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(names(&real), ["blobs", "secrets", "store.db"]);
    Setup::on(&link).start().await;
}

#[tokio::test]
async fn restore_into_an_existing_folder_that_a_signal_ends_leaves_it_empty() {
    let (_setup, place) = kept(LONG_TO_COPY).await;
    let folder = place.path().join("new");
    std::fs::create_dir(&folder).unwrap();
    let mut command = Command::new(program::path());
    command.args(["restore", "--data-dir"]).arg(&folder).arg(place.path().join("kept"));
    let restore = Spawned::of(command.stderr(Stdio::piped()));
    eventually("the restore has begun", PATIENCE, async || (!names(&folder).is_empty()).then_some(())).await;
    // Both at once: the second one ends the process at once, and yet nothing is left.
    [Signal::TERM, Signal::HUP].into_iter().for_each(|signal| restore.signal(signal));
    let ended = restore.end();
    assert!([Some(129), Some(143)].contains(&ended.code), "{ended:?}");
    assert_eq!((names(&folder), names(place.path())), (Vec::new(), vec!["kept".to_owned(), "new".to_owned()]));
}
