//! The files of a data folder are private, whatever the modes of the process and the folder are. This
//! is one test in a process of its own, because the mode belongs to the process.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use domain::{JobId, Uid};
use flow::ports::{BlobName, Blobs, Clock, Expected, IncomingUpload, Queue, Random, ReceivesUploads};
use local::{DataFolder, DiskBlobs, DiskUploads, LocalIdentity, LocalQueue, PushLog, QueueSettings, SqliteStore};
use rustix::fs::Mode;
use secrecy::SecretString;
use system::{SystemClock, SystemRandom};
use testkit::build::{device, message, task, uid};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything below the folder that others may open.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        if mode(&path) != wanted {
            found.push(format!("{} {:o}", path.display(), mode(&path)));
        }
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

/// Writes something into every file.
async fn use_all(folder: &DataFolder, at: i64) -> impl Sized + use<> {
    let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    local::secret::task_secret(folder).unwrap();
    let identity = LocalIdentity::open(&folder.secrets_dir(), Arc::clone(&clock)).unwrap();
    let store = Arc::new(SqliteStore::open(&folder.store_file(), 1).unwrap());
    testkit::Harness::new(store.clone()).accept(&uid("ann"), &[testkit::build::phone(at)]).await;
    let settings = QueueSettings::new("http://127.0.0.1:9/", SecretString::from("0123456789-0123456789-0123456789"));
    let queue = LocalQueue::open(&folder.queue_file(), settings, Arc::clone(&clock), Arc::clone(&random)).unwrap();
    queue.enqueue(task(testkit::build::job_id(1), &uid("ann"), 1)).await.unwrap();
    let blobs = DiskBlobs::open(&folder.blobs_dir(), 0, Arc::clone(&clock)).unwrap();
    let job = SystemRandom.uuid();
    let name = |n| BlobName::new(&Uid::new("ann").unwrap(), JobId(job), n, "a.bin");
    let mut writer = blobs.create(&name(0)).await.unwrap();
    writer.write(Bytes::from(vec![7; 300_000])).await.unwrap();
    writer.finish().await.unwrap();
    let uploads = DiskUploads::beside(&blobs, Arc::clone(&random));
    let expected = Expected { size: 1000, crc32c: None };
    let IncomingUpload::Open(mut part) = uploads.append(&name(1), expected).await.unwrap() else {
        panic!("it is whole")
    };
    part.write(Bytes::from_static(b"half of it")).await.unwrap();
    part.flush().await.unwrap();
    let push = PushLog::open(&folder.push_log(), clock).unwrap();
    flow::ports::Push::send(&push, &device(&uid("ann"), "phone", "token"), &message(&[])).await.unwrap();
    (identity, store, queue, blobs, push)
}

#[tokio::test]
async fn all_files_are_private_in_a_world_readable_folder() {
    rustix::process::umask(Mode::empty());
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o2775)).unwrap();
    let folder = DataFolder::open(&path).unwrap();
    let kept = use_all(&folder, 0).await;
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in ["store.db", "store.db-wal", "store.db-shm", "queue.db", "queue.db-wal", "queue.db-shm", "push.log"] {
        assert!(names.iter().any(|there| there == name), "{name} is not there");
    }
    assert_eq!(open_to_others(&path), [] as [String; 0]);

    let backup = root.path().join("backup.tar");
    local::backup::backup(&folder, &backup, &system::Stop::default(), &|_| {}).unwrap();
    assert_eq!(mode(&backup), 0o600);
    drop((kept, folder));

    // As an earlier version left them.
    for name in ["store.db", "queue.db", "push.log", "lock"] {
        fs::set_permissions(path.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let folder = DataFolder::open(&path).unwrap();
    let _kept = use_all(&folder, 60).await;
    assert_eq!(open_to_others(&path), [] as [String; 0]);

    let restored = root.path().join("restored");
    tar::Archive::new(fs::File::open(&backup).unwrap()).unpack(&restored).unwrap();
    assert_eq!(open_to_others(&restored), [] as [String; 0]);
}
