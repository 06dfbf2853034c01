use std::ffi::OsString;
use std::fs::{self, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::secret::task_secret;
use crate::sqlite::Writer;
use crate::sqlite::testing::{MIGRATIONS, add, words};

const BLOB: &str = "blobs/uploads/somebody/some-job/0-recording.bin";

fn stopped() -> Stop {
    let stop = Stop::default();
    stop.set();
    stop
}

/// A backup for which nothing has to be waited.
fn backup(folder: &DataFolder, file: &Path, stop: &Stop) -> Result<Summary, BackupError> {
    super::backup(folder, file, stop, &|_| {})
}

struct Fixture {
    root: TempDir,
    folder: DataFolder,
    writer: Writer,
}

fn fixture() -> Fixture {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&root.path().join("data")).unwrap();
    let writer = Writer::open(&folder.store_file(), MIGRATIONS).unwrap();
    let blob = folder.path().join(BLOB);
    fs::create_dir_all(blob.parent().unwrap()).unwrap();
    fs::write(blob, "sound").unwrap();
    task_secret(&folder).unwrap();
    Fixture { root, folder, writer }
}

impl Fixture {
    fn file(&self) -> PathBuf {
        self.root.path().join("backup.tar")
    }

    fn restore(&self) -> DataFolder {
        let restored = self.root.path().join("restored");
        let mut archive = tar::Archive::new(File::open(self.file()).unwrap());
        archive.set_preserve_permissions(true);
        archive.unpack(&restored).unwrap();
        DataFolder::open(&restored).unwrap()
    }

    fn names(&self) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(self.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

/// Writes the words 000000, 000001, … until it is told to stop.
async fn write_on(writer: &Writer, stop: &AtomicBool) -> usize {
    for number in 0.. {
        writer.call("test.add", number, move |db| add(db, &format!("{number:06}"))).await.unwrap();
        if stop.load(Ordering::Relaxed) {
            return number + 1;
        }
    }
    0
}

#[tokio::test]
async fn copy_during_writes_is_of_one_moment() {
    let fixture = fixture();
    let (folder, file) = (DataFolder::open_shared(fixture.folder.path()).unwrap(), fixture.file());
    // More pages than one step of the copy takes.
    let filler = |db: &Connection| add(db, &"~".repeat(8 << 20));
    fixture.writer.call("test.add", "", filler).await.unwrap();
    let stop = AtomicBool::new(false);
    let copy = async {
        let summary = tokio::task::spawn_blocking(move || backup(&folder, &file, &Stop::default())).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        summary.unwrap()
    };
    let (written, summary) = tokio::join!(write_on(&fixture.writer, &stop), copy);
    assert_eq!((summary.recordings, summary.bytes), (1, fs::metadata(fixture.file()).unwrap().len()));
    let restored = fixture.restore();
    let db = Connection::open(restored.store_file()).unwrap();
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    let words = words(&db).unwrap();
    assert!(words.len() <= written + 1);
    assert!(words[..words.len() - 1].iter().enumerate().all(|(number, word)| *word == format!("{number:06}")));
}

#[test]
fn restored_backup_is_a_complete_data_folder() {
    let fixture = fixture();
    backup(&fixture.folder, &fixture.file(), &Stop::default()).unwrap();
    assert_eq!(fixture.names(), ["backup.tar", "data"]);
    assert_eq!(fs::metadata(fixture.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let restored = fixture.restore();
    assert_eq!(fs::read(restored.path().join(BLOB)).unwrap(), b"sound");
    let written = |folder: &DataFolder| fs::metadata(folder.path().join(BLOB)).unwrap().modified().unwrap();
    assert!(written(&fixture.folder).duration_since(written(&restored)).unwrap().as_secs() < 1);
    for (name, mode) in [("store.db", 0o600), ("secrets", 0o700), ("secrets/task-secret", 0o600)] {
        assert_eq!(fs::metadata(restored.path().join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    let secret = |folder: &DataFolder| fs::read(folder.secrets_dir().join("task-secret")).unwrap();
    assert_eq!(secret(&restored), secret(&fixture.folder));
    Writer::open(&restored.store_file(), MIGRATIONS).unwrap();
}

#[test]
fn existing_file_is_never_replaced() {
    let fixture = fixture();
    fs::write(fixture.file(), "precious").unwrap();
    assert!(matches!(backup(&fixture.folder, &fixture.file(), &Stop::default()), Err(BackupError::Exists(_))));
    assert_eq!(fs::read(fixture.file()).unwrap(), b"precious");
}

#[test]
fn a_backup_inside_the_data_folder_is_refused() {
    let fixture = fixture();
    let inside = fixture.folder.path().join("backup.tar");
    assert!(matches!(backup(&fixture.folder, &inside, &Stop::default()), Err(BackupError::Inside(_))));
}

#[test]
fn failed_backup_leaves_nothing() {
    let Fixture { root, folder, writer } = fixture();
    drop(writer);
    fs::write(folder.store_file(), "not a database, and longer than the header of one: ".repeat(100)).unwrap();
    let refusal = backup(&folder, &root.path().join("backup.tar"), &Stop::default()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged"), "{refusal}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn nothing_can_be_deleted_while_backup_copies() {
    let fixture = fixture();
    let source = Source::open(&fixture.folder.store_file(), &Stop::default()).unwrap();
    let held = hold(&fixture.folder.blobs_dir(), &source).unwrap();
    let deletion = File::open(fixture.folder.blobs_dir().join("hold")).unwrap();
    assert!(matches!(deletion.try_lock(), Err(TryLockError::WouldBlock)));
    drop(held);
    deletion.try_lock().unwrap();
}

/// The files with content in a backup folder.
fn kept_files(root: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(root.join("files")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn run_that_fails_or_is_ended_leaves_only_what_the_last_complete_state_names() {
    let fixture = fixture();
    let root = fixture.root.path().join("kept");
    let add_word = async || fixture.writer.call("test.add", "", |db| add(db, "one more")).await.unwrap();
    let too_deep = fixture.folder.path().join("blobs/uploads/a/b/c/d/e/f/g/h/i");
    fs::create_dir_all(&too_deep).unwrap();
    let fails = || update(&fixture.folder, &root, &Stop::default()).unwrap_err();
    assert!(matches!(fails(), BackupError::Unread { .. }));
    assert_eq!(kept_files(&root), [] as [PathBuf; 0], "there is no complete state yet");

    fs::remove_dir_all(fixture.folder.path().join("blobs/uploads/a")).unwrap();
    update(&fixture.folder, &root, &Stop::default()).unwrap();
    let complete = kept_files(&root);
    fs::create_dir_all(&too_deep).unwrap();
    add_word().await;
    assert!(matches!(fails(), BackupError::Unread { .. }));
    assert_eq!(kept_files(&root), complete);

    let ended = update(&fixture.folder, &root, &stopped()).unwrap_err();
    assert!(matches!(ended, BackupError::StoppedInFolder { is_clean: true, .. }), "{ended}");
    assert_eq!(kept_files(&root), complete);
}

#[test]
fn next_run_removes_what_a_killed_one_copied_and_nothing_else() {
    let fixture = fixture();
    let root = fixture.root.path().join("kept");
    update(&fixture.folder, &root, &Stop::default()).unwrap();
    let digest = "ab".repeat(32);
    fs::create_dir_all(root.join("files/ab")).unwrap();
    let left = [root.join("files/ab").join(&digest), root.join("tmp/next")];
    let foreign = [root.join("files/.DS_Store"), root.join("files/ab/notes"), root.join("tmp/.DS_Store")];
    left.iter().chain(&foreign).for_each(|path| fs::write(path, "x").unwrap());
    // Even a run that fails at once removes it: the disk may be full.
    update(&fixture.folder, &root, &stopped()).unwrap_err();
    assert!(left.iter().all(|path| !path.exists()));
    update(&fixture.folder, &root, &Stop::default()).unwrap();
    assert!(foreign.iter().all(|path| path.exists()));
}

#[test]
fn damaged_files_and_links_in_the_backup_are_noticed_and_copied_again_within_a_week() {
    let fixture = fixture();
    let root = fixture.root.path().join("kept");
    let update = |day| update::update_on(day, &fixture.folder, &root, &Stop::default()).unwrap();
    let restores = |name: &str| restore(&root, &fixture.root.path().join(name), &Stop::default());
    assert_eq!(update(0).damaged, 0);
    let damage = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[0] ^= 1;
        fs::write(path, bytes).unwrap();
    };
    kept_files(&root).iter().for_each(|path| damage(path));
    restores("damaged").unwrap_err();
    let damaged: u64 = (1..=7).map(|day| update(day).damaged).sum();
    assert!(damaged >= 3, "{damaged}: the pages, the audio and the secret");
    restores("mended").unwrap();
    assert_eq!((8..=14).map(|day| update(day).damaged).sum::<u64>(), 0);

    let file = kept_files(&root).into_iter().find(|path| fs::read(path).unwrap() == b"sound").unwrap();
    let elsewhere = fixture.root.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(update(15).damaged, 1);
    assert!(file.symlink_metadata().unwrap().is_file());
}

#[test]
fn backup_that_cannot_be_read_is_not_said_to_be_missing() {
    let root = tempfile::tempdir().unwrap();
    let restore = || restore(root.path(), &root.path().join("new"), &Stop::default()).unwrap_err();
    assert!(matches!(restore(), RestoreError::NoBackup(_)));
    // A link to itself fails for everybody, also for the superuser, to whom nothing is denied.
    std::os::unix::fs::symlink(root.path().join(update::MARK), root.path().join(update::MARK)).unwrap();
    assert!(matches!(restore(), RestoreError::Unread { .. }));
}
