use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_folder_is_private() {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&root.path().join("deep/data")).unwrap();
    assert_eq!((mode(folder.path()), mode(&folder.secrets_dir())), (0o700, 0o700));
}

#[test]
fn second_server_is_told_which_process_uses_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let first = DataFolder::open(root.path()).unwrap();
    let refusal = DataFolder::open(root.path()).unwrap_err().to_string();
    assert!(
        refusal.contains(&format!("another process uses the data folder (process {})", std::process::id())),
        "{refusal}"
    );
    drop(first);
    DataFolder::open(root.path()).unwrap();
}

#[test]
fn command_opens_folder_while_server_runs() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    assert!(matches!(DataFolder::open_shared(&path), Err(FolderError::Missing { .. })));
    assert!(!path.exists());
    let server = DataFolder::open(&path).unwrap();
    let beside = DataFolder::open_shared(&path).unwrap();
    assert_eq!(beside.store_file(), server.store_file());
}

#[test]
fn folder_without_our_files_is_refused() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(DataFolder::open_shared(root.path()), Err(FolderError::Missing { .. })));
}

#[test]
fn file_is_refused_as_data_folder() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("data")] {
        let refusal = DataFolder::open(&path).unwrap_err();
        assert!(matches!(refusal, FolderError::NotAFolder { .. }), "{refusal}");
    }
    assert!(matches!(DataFolder::open_shared(&file), Err(FolderError::NotAFolder { .. })));
}

#[test]
fn read_only_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write there all the same, but not among the kernel's own files.
    let is_root = rustix::process::geteuid().is_root();
    let place = if is_root { Path::new("/proc/self") } else { root.path() };
    let refusal = DataFolder::open(place).unwrap_err();
    assert!(matches!(refusal, FolderError::Unwritable { .. }), "{refusal}");
}

#[test]
fn relative_path_is_shown_as_absolute() {
    let refusal = DataFolder::open_shared(Path::new("no-such-folder")).unwrap_err().to_string();
    assert!(refusal.starts_with('/'), "{refusal}");
}

#[test]
fn folder_that_cannot_be_read_is_not_said_to_be_missing() {
    let root = tempfile::tempdir().unwrap();
    // A link to itself fails for everybody, also for the superuser, to whom nothing is denied.
    std::os::unix::fs::symlink(root.path().join("lock"), root.path().join("lock")).unwrap();
    let refusal = DataFolder::open_shared(root.path()).unwrap_err();
    assert!(matches!(refusal, FolderError::Unreadable { .. }), "{refusal}");
    let missing = DataFolder::open_shared(&root.path().join("nothing")).unwrap_err();
    assert!(matches!(missing, FolderError::Missing { .. }), "{missing}");
}
