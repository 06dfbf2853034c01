use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;

use secrecy::ExposeSecret;

use super::*;

fn folder() -> (tempfile::TempDir, DataFolder) {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(root.path()).unwrap();
    (root, folder)
}

#[test]
fn secret_is_made_once_and_private() {
    let (_root, folder) = folder();
    let made = task_secret(&folder).unwrap();
    assert_eq!(made.expose_secret().len(), 2 * SECRET_BYTES);
    assert_eq!(task_secret(&folder).unwrap().expose_secret(), made.expose_secret());
    let files: Vec<_> = fs::read_dir(folder.secrets_dir()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn concurrent_first_callers_get_same_secret() {
    const ASKING: usize = 8;
    let (_root, folder) = folder();
    let together = Barrier::new(ASKING);
    let ask = || {
        together.wait();
        task_secret(&folder).unwrap().expose_secret().to_owned()
    };
    let secrets: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..ASKING).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(fs::read_dir(folder.secrets_dir()).unwrap().count(), 1);
}

#[test]
fn an_empty_secret_is_never_used() {
    let (_root, folder) = folder();
    fs::write(folder.secrets_dir().join("task-secret"), "").unwrap();
    assert!(task_secret(&folder).unwrap_err().to_string().contains("remove the file"));
}
