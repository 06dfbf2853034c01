//! `afterword backup` into a file or a stream: signals, kills, full disks, wrong targets; and what refuses a data
//! folder of a newer version.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::skip;
use tests::disk::{Bind, Disk, NO_MOUNT};
use tests::program::{self, CommandOutput, Spawned};
use tests::recordings::T0;
use tests::slow_disk::{NO_PRELOAD, SlowDisk};
use tests::wait::{self, PATIENCE};
use tests::{Client, Recording, Setup, eventually};

const MIB: usize = 1 << 20;

/// A server with one finished job, and a place for its backups.
async fn served() -> (Setup, tests::Server, TempDir) {
    let setup = Setup::new();
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    (setup, server, tempfile::tempdir().unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A backup that has begun, and waits, because somebody deletes audio.
async fn begun(setup: &Setup, target: &Path) -> Spawned {
    let folder = target.parent().unwrap();
    let before = names(folder);
    let backup = setup.spawn_on_folder(&["backup", &target.display().to_string()]);
    let has_begun = || names(folder).iter().any(|name| !before.contains(name));
    eventually("the backup has begun", PATIENCE, async || has_begun().then_some(())).await;
    backup
}

/// Stands for a deletion that goes on and on: backups wait for it.
fn deletion(setup: &Setup) -> std::fs::File {
    let hold = std::fs::File::open(setup.data_dir().join("blobs/hold")).unwrap();
    hold.lock().unwrap();
    hold
}

#[tokio::test]
async fn backup_ended_by_a_signal_leaves_nothing_and_says_so() {
    let (setup, _server, place) = served().await;
    let target = place.path().join("copy.tar");
    let held = deletion(&setup);
    for (signal, name, code) in
        [(Signal::INT, "SIGINT", 130), (Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)]
    {
        let backup = begun(&setup, &target).await;
        backup.signal(signal);
        let CommandOutput { code: ended, out, err } = backup.end();
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{err}");
        assert!(err.contains(name) && err.contains("nothing of it is left"), "{err}");
        assert_eq!(names(place.path()), [""; 0]);
    }
    drop(held);
    setup.on_folder(&["backup", &target.display().to_string()]).await.ok();
}

#[tokio::test]
async fn file_of_a_killed_backup_is_removed_by_the_next_one_but_that_of_a_running_one_is_not() {
    let (setup, _server, place) = served().await;
    let held = deletion(&setup);
    let killed = begun(&setup, &place.path().join("killed.tar")).await;
    killed.signal(Signal::KILL);
    killed.end();
    let left = names(place.path());
    assert_eq!(left.len(), 1, "a kill leaves a file: {left:?}");

    let running = begun(&setup, &place.path().join("running.tar")).await;
    let other = begun(&setup, &place.path().join("other.tar")).await;
    let now = names(place.path());
    assert!(now.len() == 2 && !now.contains(&left[0]), "{now:?}");
    drop(held);
    let out = running.end().ok();
    assert!(out.contains(&left[0]) && out.contains("removed"), "{out}");
    other.end().ok();
    assert_eq!(names(place.path()), ["other.tar", "running.tar"]);
}

#[tokio::test]
async fn full_disk_of_the_target_is_named_and_nothing_is_left_there() {
    let Some(disk) = Disk::new(MIB) else { skip!(NO_MOUNT) };
    let (setup, server, _place) = served().await;
    // Audio that is kept, and is larger than the disk.
    let large = tests::recordings::large(4 * MIB);
    let waiting = setup.clone().with("engine.null_delay_ms", 600_000);
    server.kill9().await;
    let server = waiting.start().await;
    server.client().accepted(&[Recording::large(T0 + 1000, &large)]).await;
    for args in [["backup", "copy.tar"].as_slice(), &["backup", "--to", "kept"]] {
        let (options, name) = (&args[..args.len() - 1], args[args.len() - 1]);
        let target = disk.path(name).display().to_string();
        let output = setup.on_folder(&[options, &[target.as_str()]].concat()).await;
        let line = output.refused();
        assert!(line.contains(&target) && line.contains("the disk of the backup is full"), "{line}");
    }
    let left = tests::Folder::new(&disk.path("")).files("");
    assert_eq!(left, ["kept/afterword-backup"], "the room is free again");
}

#[tokio::test]
async fn full_disk_of_the_data_folder_is_named() {
    let Some(disk) = Disk::new(8 * MIB) else { skip!(NO_MOUNT) };
    let setup = Setup::on(&disk.path("data"));
    let server = setup.start().await;
    server.client().done(&[Recording::short(T0)]).await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    disk.fill_up_to(0);
    let place = tempfile::tempdir().unwrap();
    let output = setup.on_folder(&["backup", &place.path().join("copy.tar").display().to_string()]).await;
    // A store that no server has open needs a little room for the index of its log.
    let line = output.refused();
    assert!(line.contains(&disk.path("data").display().to_string()) && line.contains("data folder is full"), "{line}");
    assert_eq!(names(place.path()), [""; 0]);
}

#[tokio::test]
async fn target_inside_the_data_folder_is_refused_also_through_links() {
    let (setup, server, place) = served().await;
    let link = place.path().join("link");
    std::os::unix::fs::symlink(setup.data_dir().join("blobs"), &link).unwrap();
    let before = server.folder().files("");
    for inside in [setup.data_dir().join("copy.tar"), link.join("copy.tar"), setup.data_dir().join("blobs/../copy.tar")]
    {
        let inside = inside.display().to_string();
        for args in [["backup", &inside].as_slice(), &["backup", "--to", &inside]] {
            let output = setup.on_folder(args).await;
            assert!(output.refused().contains("inside the data folder"), "{output:?}");
        }
    }
    let redirected = format!("afterword backup --data-dir '{0}' - > '{0}/copy.tar'", setup.data_dir().display());
    let output = Command::new("sh").args(["-c", &redirected]).env("PATH", path_with_program()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    std::fs::remove_file(setup.data_dir().join("copy.tar")).unwrap();
    assert_eq!(server.folder().files(""), before);
    let dangling = place.path().join("dangling.tar");
    std::os::unix::fs::symlink(setup.data_dir().join("copy.tar"), &dangling).unwrap();
    setup.on_folder(&["backup", &dangling.display().to_string()]).await.refused();
    assert_eq!(server.folder().files(""), before);
}

#[tokio::test]
async fn target_inside_the_data_folder_is_refused_also_through_bind_mounts_and_linked_audio() {
    let (setup, server, place) = served().await;
    let (ended, _) = server.sigterm().await;
    assert_eq!(ended.code(), Some(0));
    // The audio lies on another disk.
    let audio = place.path().join("audio");
    std::fs::rename(setup.data_dir().join("blobs"), &audio).unwrap();
    std::os::unix::fs::symlink(&audio, setup.data_dir().join("blobs")).unwrap();
    let bind = Bind::of(&setup.data_dir().join("secrets"));
    let bound = bind.as_ref().map(|bind| bind.path().to_owned());
    let targets = [Some(audio.clone()), Some(audio.join("uploads")), bound];
    for inside in targets.into_iter().flatten() {
        std::fs::create_dir_all(&inside).unwrap();
        let before = names(&inside);
        let target = inside.join("copy").display().to_string();
        for args in [["backup", &target].as_slice(), &["backup", "--to", &target], &["export", &target]] {
            let output = setup.on_folder(args).await;
            assert!(output.refused().contains("inside the data folder"), "{output:?}");
        }
        assert_eq!(names(&inside), before);
    }
    setup.on_folder(&["backup", &place.path().join("copy.tar").display().to_string()]).await.ok();
    if bind.is_none() {
        skip!(NO_MOUNT);
    }
}

fn path_with_program() -> String {
    format!("{}:{}", program::path().parent().unwrap().display(), std::env::var("PATH").unwrap_or_default())
}

async fn serves_the_same(server: &tests::Server, restored: &Path) {
    let copy = Setup::on(restored).start().await;
    let client = Client::new(&copy.url, &server.token);
    assert_eq!(client.jobs().await, server.client().jobs().await);
    assert_eq!(client.conversations().await, server.client().conversations().await);
}

#[tokio::test]
async fn backup_goes_through_pipes_and_not_to_a_terminal() {
    let (setup, server, place) = served().await;
    let (data, at) = (setup.data_dir().display(), place.path().display());
    program::shell(&format!("mkdir '{at}/one' && afterword backup --data-dir '{data}' - | tar -xf - -C '{at}/one'"))
        .await;
    serves_the_same(&server, &place.path().join("one")).await;
    let fifo = format!(
        "mkdir '{at}/two' && mkfifo '{at}/pipe' && (afterword backup --data-dir '{data}' '{at}/pipe' &) && \
         tar -xf '{at}/pipe' -C '{at}/two'"
    );
    program::shell(&fifo).await;
    serves_the_same(&server, &place.path().join("two")).await;

    let gone = format!("afterword backup --data-dir '{data}' - | true; exit ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &gone]).env("PATH", path_with_program()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "an archive that is not complete is no success: {output:?}");
    if Command::new("script").arg("--version").output().is_err() {
        skip!("a terminal is made with `script`");
    }
    let terminal = ["-qec", &format!("afterword backup --data-dir '{data}' -"), "/dev/null"];
    let output = Command::new("script").args(terminal).env("PATH", path_with_program()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("terminal"), "{said}");
}

#[tokio::test]
async fn waiting_for_a_reader_of_a_named_pipe_is_told_and_ends_with_a_signal() {
    let (setup, _server, place) = served().await;
    let pipe = place.path().join("pipe").display().to_string();
    program::shell(&format!("mkfifo '{pipe}'")).await;
    let (mut reads, writes) = std::io::pipe().unwrap();
    let backup = setup.spawn_on_folder_to(&["backup", &pipe], writes);
    // It ends with the first line, which comes after two seconds; without it, the test would wait for ever.
    let told = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(&mut reads).read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(PATIENCE, told).await.expect("nothing is told").unwrap().unwrap();
    assert!(line.contains(&pipe) && line.contains("nobody reads this pipe yet"), "{line}");
    backup.signal(Signal::TERM);
    assert_eq!(backup.end().code, Some(143));
}

#[tokio::test]
async fn closed_standard_output_is_no_place_for_a_backup() {
    let (setup, _server, _place) = served().await;
    let data = setup.data_dir().display();
    for (redirect, is_refused) in [(">&-", true), ("> /dev/null", false)] {
        let line = format!("afterword backup --data-dir '{data}' - {redirect}");
        let output = Command::new("sh").args(["-c", &line]).env("PATH", path_with_program()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(!output.status.success(), is_refused, "{redirect}: {said}");
        assert_eq!(said.contains("standard output is closed"), is_refused, "{redirect}: {said}");
    }
}

/// systemd sends both in the same moment if `SendSIGHUP` is set.
#[tokio::test]
async fn two_signals_during_the_last_sync_leave_no_file() {
    let Some(disk) = SlowDisk::of(30) else { skip!(NO_PRELOAD) };
    let (setup, _server, place) = served().await;
    let target = place.path().join("copy.tar");
    disk.slow_down();
    for (second, code) in [(None, 143), (Some(Signal::HUP), 129)] {
        let backup = begun(&disk.under(setup.clone()), &target).await;
        // All that is left to do is the sync.
        let size = || std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let store = std::fs::metadata(setup.folder().store_file()).unwrap().len();
        eventually("it is written", PATIENCE, async || (size().sum::<u64>() > store).then_some(())).await;
        let watch = wait::Stopwatch::start();
        backup.signal(Signal::TERM);
        second.into_iter().for_each(|second| backup.signal(second));
        let CommandOutput { code: ended, out, err } = backup.end();
        // Which of two signals comes first is not known.
        assert!(ended == Some(code) || second.is_some() && [Some(143), Some(129)].contains(&ended), "{ended:?} {err}");
        assert_eq!((out.as_str(), names(place.path())), ("", Vec::new()), "{err}");
        assert!(!err.contains("could not be removed") && err.contains("removing what is not complete"), "{err}");
        assert!(watch.elapsed() < Duration::from_secs(20), "the sync is not waited for");
    }
}

#[tokio::test]
async fn every_command_refuses_a_data_folder_of_a_newer_version_plainly() {
    let (setup, server, place) = served().await;
    server.kill9().await;
    let target = |name: &str| place.path().join(name).display().to_string();
    let export = target("before.jsonl");
    setup.on_folder(&["export", &export]).await.ok();
    let database = Connection::open(setup.folder().store_file()).unwrap();
    database.pragma_update(None, "user_version", 9999).unwrap();
    drop(database);
    let before: Vec<PathBuf> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let (tar, kept, other) = (target("copy.tar"), target("kept"), target("other.jsonl"));
    for args in [
        ["backup", tar.as_str()].as_slice(),
        &["backup", "-"],
        &["backup", "--to", &kept],
        &["export", &other],
        &["import", &export],
        &["vacuum"],
        &["admin", "jobs"],
    ] {
        let output = setup.on_folder(args).await;
        let line = output.refused();
        assert!(line.contains("newer version") && line.contains("9999"), "{args:?}: {line}");
        assert_eq!(output.out, "", "{args:?}");
    }
    let line = setup.refused().await;
    assert!(line.contains("newer version"), "{line}");
    let mut left: Vec<PathBuf> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.retain(|path| !before.contains(path) && path.file_name().unwrap() != "kept");
    assert_eq!(left, [] as [PathBuf; 0]);
}
