//! Tests what the disk adds to the contract of the port: after a crash the durable bytes count, and no
//! others.

use bytes::Bytes;
use domain::{JobId, Uid};
use flow::ports::{Blobs, IncomingUpload, PartWriter};
use tempfile::TempDir;
use testkit::contract::uploads::Receiving;
use testkit::{SeededRandom, TestClock};
use uuid::Uuid;

use super::*;
use crate::blobs::name::UPLOADS;

const NOW: domain::Timestamp = domain::Timestamp::from_secs(1_780_000_000);
const SOUND: &[u8] = b"some sound that comes in pieces";
const EXPECTED: Expected = Expected { size: SOUND.len() as u64, crc32c: None };

struct Fixture {
    blobs: Arc<DiskBlobs>,
    uploads: Arc<DiskUploads>,
    folder: TempDir,
}

fn fixture() -> Fixture {
    with_reserve(0)
}

fn with_reserve(bytes: u64) -> Fixture {
    open(tempfile::tempdir().unwrap(), bytes)
}

fn open(folder: TempDir, reserve: u64) -> Fixture {
    let blobs = Arc::new(DiskBlobs::open(folder.path(), reserve, TestClock::at(NOW)).unwrap());
    let uploads = Arc::new(DiskUploads::beside(&blobs, Arc::new(SeededRandom::new(1))));
    Fixture { blobs, uploads, folder }
}

fn name() -> BlobName {
    BlobName::new(&Uid::new("ann").unwrap(), JobId(Uuid::from_u128(1)), 0, "a.bin")
}

impl Fixture {
    async fn writer(&self) -> Box<dyn PartWriter> {
        match self.uploads.append(&name(), EXPECTED).await.unwrap() {
            IncomingUpload::Open(writer) => writer,
            IncomingUpload::Whole { .. } => panic!("it is whole"),
        }
    }

    async fn send(&self, bytes: &[u8]) -> Result<Progress> {
        let mut writer = self.writer().await;
        writer.write(Bytes::copy_from_slice(bytes)).await?;
        writer.flush().await
    }

    async fn progress(&self) -> Progress {
        let url = self.uploads.start(&name(), EXPECTED).await.unwrap();
        self.uploads.progress(&name(), &url, EXPECTED).await.unwrap()
    }

    fn paths(&self) -> PartPaths {
        PartPaths::of(&self.uploads.partials, &BlobPath::of("", &name()).unwrap())
    }

    /// The same folder, as the next process finds it.
    fn restart(self) -> Self {
        let Self { blobs, uploads, folder } = self;
        drop((blobs, uploads));
        let again = open(folder, 0);
        again.blobs.sweep_temporary().unwrap();
        again.uploads.prune().unwrap();
        again
    }
}

testkit::uploads_contract!(async || {
    let Fixture { blobs, uploads, folder } = fixture();
    (Arc::new(Receiving { uploads, blobs }), folder)
});

#[tokio::test]
async fn bytes_after_the_mark_do_not_count_after_crash() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    let paths = at.paths();
    let torn = [&SOUND[..9], b"torn".repeat(SOUND.len()).as_slice()].concat();
    fs::write(&paths.data, torn).unwrap();
    let at = at.restart();
    assert_eq!(at.progress().await, Progress::Open { offset: 9 });
    assert_eq!(at.writer().await.offset(), 9);
    let whole = at.send(&SOUND[9..]).await.unwrap();
    assert_eq!(whole, Progress::Whole { size: EXPECTED.size, crc32c: crc32c::crc32c(SOUND) });
    assert_eq!(fs::read(paths.blob).unwrap(), SOUND);
}

#[tokio::test]
async fn file_shorter_than_its_mark_counts_up_to_its_end() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    File::options().write(true).open(at.paths().data).unwrap().set_len(4).unwrap();
    let at = at.restart();
    assert_eq!(at.progress().await, Progress::Open { offset: 4 });
    let whole = at.send(&SOUND[4..]).await.unwrap();
    assert_eq!(whole, Progress::Whole { size: EXPECTED.size, crc32c: crc32c::crc32c(SOUND) });
}

#[tokio::test]
async fn excessive_mark_is_not_believed_after_file_has_grown_again() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    File::options().write(true).open(at.paths().data).unwrap().set_len(4).unwrap();
    assert_eq!(at.writer().await.flush().await.unwrap(), Progress::Open { offset: 4 });
    fs::write(at.paths().data, [&SOUND[..4], b"torn bytes"].concat()).unwrap();
    assert_eq!(at.progress().await, Progress::Open { offset: 4 });
}

#[tokio::test]
async fn torn_mark_does_not_affect_complete_file() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    let whole = at.send(&SOUND[9..]).await.unwrap();
    let mark = File::options().read(true).write(true).open(at.paths().mark).unwrap();
    let slot = Mark::read(&mark).unwrap().unwrap().1;
    std::os::unix::fs::FileExt::write_all_at(&mark, &[0xFF; 16], slot as u64 * 4096).unwrap();
    assert_eq!(Mark::read(&mark).unwrap().unwrap().0.offset, 9);
    assert_eq!(at.progress().await, whole);
}

#[tokio::test]
async fn no_bytes_count_without_a_mark() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    for mark in [None, Some(b"no mark at all, but longer than one".as_slice())] {
        match mark {
            None => fs::remove_file(at.paths().mark).unwrap(),
            Some(bytes) => fs::write(at.paths().mark, bytes).unwrap(),
        }
        assert_eq!(at.progress().await, Progress::Open { offset: 0 });
        let progress = at.send(&SOUND[..9]).await.unwrap();
        assert_eq!(progress, Progress::Open { offset: 9 });
    }
}

#[tokio::test]
async fn crash_before_final_rename_is_recovered() {
    let at = fixture();
    let last = SOUND.len() - 1;
    at.send(&SOUND[..last]).await.unwrap();
    let paths = at.paths();
    let file = File::options().read(true).write(true).open(&paths.data).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &SOUND[last..], last as u64).unwrap();
    let mark = File::options().read(true).write(true).open(&paths.mark).unwrap();
    let slot = Mark::read(&mark).unwrap().unwrap().1;
    Mark { offset: EXPECTED.size, crc32c: crc32c::crc32c(SOUND) }.write(&mark, slot).unwrap();
    let at = at.restart();
    // A client that continues here sends one byte, which is ignored; it never learns that there is nothing
    // to send.
    assert_eq!(at.progress().await, Progress::Open { offset: EXPECTED.size - 1 });
    assert!(matches!(at.writer().await.flush().await.unwrap(), Progress::Whole { .. }), "whoever asks makes it whole");
    assert_eq!(fs::read(paths.blob).unwrap(), SOUND);
}

#[tokio::test]
async fn restored_backup_has_complete_files_and_no_partial_uploads() {
    let at = fixture();
    at.send(SOUND).await.unwrap();
    fs::remove_dir_all(at.folder.path().join(PARTIAL)).unwrap();
    let at = at.restart();
    assert_eq!(at.progress().await, Progress::Whole { size: EXPECTED.size, crc32c: crc32c::crc32c(SOUND) });
}

#[tokio::test]
async fn partial_uploads_are_not_listed_as_blobs_nor_blobs_as_uploads() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    assert_eq!(at.blobs.list("", None, 10).await.unwrap(), []);
    assert!(!at.folder.path().join(UPLOADS).join("ann").exists());
    at.send(&SOUND[9..]).await.unwrap();
    let listed: Vec<_> = at.blobs.list("", None, 10).await.unwrap();
    assert_eq!(listed, [(name(), Duration::ZERO)], "its age counts from when it became whole");
    at.uploads.abandon(&name(), None).await.unwrap();
    at.blobs.delete(&name()).await.unwrap();
    for folder in [UPLOADS, PARTIAL] {
        assert_eq!(fs::read_dir(at.folder.path().join(folder)).unwrap().count(), 0, "{folder} is empty");
    }
}

#[tokio::test]
async fn full_disk_refuses_new_bytes_and_keeps_stored_ones() {
    let at = fixture();
    at.send(&SOUND[..9]).await.unwrap();
    let at = open(at.folder, u64::MAX);
    assert_eq!(at.uploads.room().await.unwrap_err().kind, Kind::Full);
    assert_eq!(at.uploads.append(&name(), EXPECTED).await.err().unwrap().kind, Kind::Full);
    assert_eq!(at.progress().await, Progress::Open { offset: 9 });
}

#[tokio::test]
async fn last_of_many_concurrent_writers_gets_the_file_and_no_lock_remains() {
    let at = fixture();
    let first = at.writer().await;
    let come = |_| {
        let uploads = at.uploads.clone();
        tokio::spawn(async move { uploads.append(&name(), EXPECTED).await.map(drop) })
    };
    let others: Vec<_> = (0..8).map(come).collect();
    first.displaced().await;
    drop(first);
    let mut got = 0;
    for other in others {
        match other.await.unwrap() {
            Ok(()) => got += 1,
            Err(error) => assert_eq!(error.kind, Kind::Unavailable),
        }
    }
    assert!(got >= 1);
    at.writer().await.flush().await.unwrap();
    assert_eq!(at.uploads.upload_locks.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_never_decreases_while_file_is_completed() {
    let at = fixture();
    let (uploads, url) = (at.uploads.clone(), at.uploads.start(&name(), EXPECTED).await.unwrap());
    for _ in 0..60 {
        at.send(&SOUND[..9]).await.unwrap();
        let (uploads, url) = (uploads.clone(), url.clone());
        let asking = tokio::spawn(async move {
            loop {
                match uploads.progress(&name(), &url, EXPECTED).await.unwrap() {
                    Progress::Whole { .. } => return,
                    Progress::Open { offset } => assert!(offset >= 9, "{offset}"),
                    Progress::Gone => panic!("it is gone"),
                }
            }
        });
        at.send(&SOUND[9..]).await.unwrap();
        asking.await.unwrap();
        at.uploads.abandon(&name(), None).await.unwrap();
        at.blobs.delete(&name()).await.unwrap();
    }
}

#[tokio::test]
async fn two_guards_dropped_at_once_leave_no_lock() {
    use futures_util::FutureExt;
    let (upload_locks, clock) = (UploadLocks::default(), TestClock::at(NOW));
    for _ in 0..8000 {
        let name = name();
        let first = upload_locks.take("", &name, &*clock).await.unwrap();
        let mut second = Box::pin(upload_locks.take("", &name, &*clock));
        assert!((&mut second).now_or_never().is_none(), "it waits");
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                together.wait();
                drop(first);
            });
            together.wait();
            drop(second);
        });
        assert_eq!(upload_locks.len(), 0);
    }
}

#[tokio::test]
async fn concurrent_uploads_are_limited_and_reconnect_takes_no_second_permit() {
    let at = fixture();
    let nth = |n| BlobName::new(&Uid::new("ann").unwrap(), JobId(Uuid::from_u128(1)), n, "a.bin");
    let mut open = Vec::new();
    for n in 0..MAX_CONCURRENT {
        open.push(at.uploads.append(&nth(n), EXPECTED).await.unwrap());
    }
    let refused = at.uploads.append(&nth(MAX_CONCURRENT), EXPECTED).await.err().unwrap();
    assert_eq!((refused.kind, refused.retry_after), (Kind::Throttled, Some(RETRY_AFTER)));
    let Some(IncomingUpload::Open(hangs)) = open.pop() else { panic!("it is open") };
    let stops = async {
        hangs.displaced().await;
        drop(hangs);
    };
    let last = nth(MAX_CONCURRENT - 1);
    let (again, ()) = tokio::join!(at.uploads.append(&last, EXPECTED), stops);
    open.push(again.unwrap());
    assert!(at.uploads.append(&nth(MAX_CONCURRENT), EXPECTED).await.is_err());
    at.uploads.abandon(&nth(MAX_CONCURRENT), None).await.unwrap();
    let Some(IncomingUpload::Open(writer)) = open.pop() else { panic!("it is open") };
    writer.flush().await.unwrap();
    assert!(at.uploads.append(&nth(MAX_CONCURRENT), EXPECTED).await.is_ok());
}

#[tokio::test]
async fn waiting_writer_yields_to_next_one_and_gives_up_in_time() {
    let (upload_locks, clock) = (UploadLocks::default(), TestClock::at(NOW));
    let name = name();
    let first = upload_locks.take("", &name, &*clock).await.unwrap();
    let second = upload_locks.take("", &name, &*clock);
    let last = async {
        tokio::task::yield_now().await;
        let waits = upload_locks.take("", &name, &*clock);
        let time_passes = async {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(10));
        };
        tokio::join!(waits, time_passes).0
    };
    let both = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(second, last) });
    let (second, last) = both.await.expect("nobody waits for ever");
    let why = |refused: Result<upload_locks::UploadGuard>| refused.err().unwrap().source.unwrap().to_string();
    assert_eq!(why(second), "another request has taken over this file");
    assert_eq!(why(last), "the previous request for this file does not end");
    assert!(first.displaced().is_cancelled());
    drop(first);
    assert_eq!(upload_locks.len(), 0);
}
