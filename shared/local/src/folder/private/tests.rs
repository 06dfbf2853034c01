use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn file(path: PathBuf, mode: u32) -> PathBuf {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "words").unwrap();
    set(&path, mode);
    path
}

#[test]
fn files_of_an_earlier_version_become_private() {
    let root = tempfile::tempdir().unwrap();
    set(root.path(), 0o755);
    let names =
        ["store.db", "store.db-wal", "store.db-shm", "queue.db", "queue.db-wal", "push.log", "push.log.1", "lock"];
    for name in names {
        file(root.path().join(name), 0o644);
    }
    let blob = file(root.path().join("blobs/uploads/ann/job/0-a.bin"), 0o664);
    let secret = file(root.path().join("secrets/task-secret"), 0o640);
    for folder in ["blobs", "blobs/uploads", "blobs/uploads/ann", "secrets"] {
        set(&root.path().join(folder), 0o755);
    }
    repair_modes(root.path());
    for name in names {
        assert_eq!(mode(&root.path().join(name)), 0o600, "{name}");
    }
    assert_eq!((mode(&blob), mode(&secret)), (0o600, 0o600));
    for folder in ["blobs", "blobs/uploads", "blobs/uploads/ann", "secrets"] {
        assert_eq!(mode(&root.path().join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(root.path()), 0o755, "the folder itself is its owner's to open");
}

#[test]
fn links_are_not_followed_and_unknown_files_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = file(elsewhere.path().join("shared.txt"), 0o644);
    fs::create_dir(elsewhere.path().join("public")).unwrap();
    set(&elsewhere.path().join("public"), 0o755);
    symlink(&target, root.path().join("store.db-wal")).unwrap();
    symlink(elsewhere.path().join("public"), root.path().join("sample")).unwrap();
    fs::create_dir(root.path().join("blobs")).unwrap();
    set(&root.path().join("blobs"), 0o755);
    symlink(&target, root.path().join("blobs/link")).unwrap();
    let foreign = file(root.path().join("README"), 0o644);
    repair_modes(root.path());
    assert_eq!(mode(&target), 0o644);
    assert_eq!(mode(&elsewhere.path().join("public")), 0o755);
    assert_eq!(mode(&foreign), 0o644);
    assert_eq!(mode(&root.path().join("blobs")), 0o700);
}

#[test]
fn repair_never_adds_permissions() {
    let root = tempfile::tempdir().unwrap();
    let locked = file(root.path().join("store.db"), 0o444);
    repair_modes(root.path());
    assert_eq!(mode(&locked), 0o400);
}
