//! Deleting, alone and concurrently with others.

use std::fs::File;

use super::*;

#[tokio::test]
async fn deleting_last_blob_removes_its_folders() {
    let at = fixture();
    for name in [blob("u", 1, 0), blob("u", 1, 1), blob("u", 2, 0)] {
        at.put(&name, "x").await.unwrap();
    }
    at.blobs.delete(&blob("u", 1, 0)).await.unwrap();
    assert_eq!(at.entries("uploads/u").len(), 2);
    at.blobs.delete(&blob("u", 1, 1)).await.unwrap();
    assert_eq!(at.entries("uploads/u"), [job(2).to_string()]);
    at.blobs.delete(&blob("u", 2, 0)).await.unwrap();
    assert_eq!(at.entries("uploads"), [""; 0]);
    at.blobs.delete(&blob("u", 2, 0)).await.unwrap();
    at.put(&blob("u", 2, 0), "again").await.unwrap();
}

#[tokio::test]
async fn nothing_is_deleted_while_a_backup_runs() {
    let (at, name) = (fixture(), blob("u", 1, 0));
    at.put(&name, "x").await.unwrap();
    let backup = File::open(at.folder.path().join("hold")).unwrap();
    backup.try_lock_shared().unwrap();
    let refused = at.blobs.delete(&name).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(refused.to_string().contains("a backup is running"));
    assert_eq!(at.get(&name, 0).await, b"x");
    at.put(&blob("u", 1, 1), "writing goes on").await.unwrap();

    backup.unlock().unwrap();
    at.blobs.delete(&name).await.unwrap();
    backup.try_lock_shared().expect("a deletion that is done leaves the way free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folder_removed_during_write_is_created_again() {
    let at = Arc::new(fixture());
    let tasks: Vec<_> = (0..4)
        .map(|index| {
            let at = Arc::clone(&at);
            tokio::spawn(async move {
                // All blobs are in one job's folder: each deletion of the last blob removes it while others write.
                let name = blob("u", 1, index);
                for _ in 0..100 {
                    at.put(&name, "x").await.unwrap();
                    at.blobs.delete(&name).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((at.entries("tmp"), at.entries("uploads")), (vec![], vec![]));
}

#[tokio::test]
async fn folders_removed_by_somebody_else_are_created_again() {
    let at = fixture();
    at.put(&blob("u", 1, 0), "x").await.unwrap();
    fs::remove_dir_all(at.folder.path().join("uploads/u")).unwrap();
    at.put(&blob("u", 1, 1), "y").await.unwrap();
    assert_eq!(at.get(&blob("u", 1, 1), 0).await, b"y");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_of_many_writers_of_one_name_wins() {
    let at = Arc::new(fixture());
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let at = Arc::clone(&at);
            tokio::spawn(async move { at.put(&blob("u", 1, 0), format!("version {}", number % 4)).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.unwrap());
    }
    assert_eq!(won, 4, "the winner, and the three with the same bytes");
    assert_eq!(at.entries("tmp"), [""; 0]);
}

#[tokio::test]
async fn names_that_lead_elsewhere_touch_no_file() {
    let at = fixture();
    let name = BlobName::listed("uploads/../../hold".to_owned());
    assert_eq!(at.blobs.delete(&name).await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(at.blobs.create(&name).await.err().unwrap().kind, Kind::Invalid);
    assert_eq!(at.blobs.read(&name, 0).await.err().unwrap().kind, Kind::Invalid);
    assert!(at.folder.path().join("hold").exists());
}
