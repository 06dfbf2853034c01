//! What was answered is still there after a restart, and two processes see the same data.

use domain::Command;
use flow::Kind;
use flow::ports::{At, DeviceStore, JobStore};
use testkit::build::{batch, device, phone, uid};
use testkit::snapshot::Snapshot;

use super::{fresh, harness, path};
use crate::store::SqliteStore;

#[tokio::test]
async fn everything_answered_is_kept_after_restart() {
    let (store, folder) = fresh();
    let ann = uid("ann");
    harness(&store).transcribe(&ann, &phone(0), &[(0, 900, "one"), (2000, 3000, "two")]).await;
    let running = harness(&store).accept(&ann, &[phone(500)]).await;
    let running = harness(&store).claim(running.id).await;
    store.put_device(&device(&ann, "pixel", "token")).await.unwrap();
    let before = Snapshot::take(&*store, &ann).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path(&folder), 1).unwrap();
    assert_eq!(Snapshot::take(&store, &ann).await.unwrap(), before);
    assert_eq!(store.job(running.id).await.unwrap(), Some(running));
    assert_eq!(store.devices(&ann).await.unwrap(), [device(&ann, "pixel", "token")]);
}

#[tokio::test]
async fn closing_the_store_removes_its_wal_file() {
    let (store, folder) = fresh();
    harness(&store).accept(&uid("ann"), &[phone(0)]).await;
    drop(store);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    assert_eq!(files.collect::<Vec<_>>(), [path(&folder)]);
}

#[tokio::test]
async fn a_second_process_reads_and_writes_while_the_first_runs() {
    let (store, folder) = fresh();
    let (here, ann) = (harness(&store), uid("ann"));
    let job = here.accept(&ann, &[phone(0)]).await;
    let beside = SqliteStore::open_alongside(&path(&folder), 1).unwrap();
    let there = harness(&std::sync::Arc::new(beside));
    assert_eq!(there.job(job.id).await, job);
    let cancelled = there.done(job.id, Command::Cancel).await;
    assert_eq!(here.job(job.id).await, cancelled);
}

#[tokio::test]
async fn read_only_store_refuses_writes() {
    let (store, folder) = fresh();
    let (harness, ann) = (harness(&store), uid("ann"));
    let job = harness.accept(&ann, &[phone(0)]).await;
    let looking = SqliteStore::open_read_only(&path(&folder), 1).unwrap();
    assert_eq!(looking.job(job.id).await.unwrap(), Some(job.clone()));
    let at = || At { now: harness.now(), rules: &harness.rules };
    let error = looking.step(job.id, &Command::Cancel, at()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert_eq!(looking.create_job(&batch(&ann, &[phone(9)]), at()).await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(harness.job(job.id).await, job);
}
