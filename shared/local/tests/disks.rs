//! Full or read-only disks, produced by the kernel: writes are refused with a clear error, and nothing
//! that was answered is lost.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{JobId, Uid};
use flow::ports::{BlobName, Blobs, Push};
use flow::{Kind, Result};
use local::sqlite::Writer;
use local::{DataFolder, DiskBlobs, PushLog};
use rusqlite::Connection;
use system::SystemClock;
use tempfile::TempDir;
use testkit::build::{device, message, uid};
use uuid::Uuid;

const NO_MOUNT: &str = "a disk of its own needs the right to mount a tmpfs (root on Linux)";
const MIB: usize = 1024 * 1024;
const MIGRATIONS: &[&str] = &["CREATE TABLE notes (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"];

/// A small file system, which is unmounted after the test.
struct Disk(TempDir);

impl Disk {
    /// `None` where mounting is not allowed.
    fn of(mib: usize) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"], at.path()).then_some(Self(at))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// No file on it may be open for writing.
    fn make_read_only(&self) {
        assert!(mount(&["-o", "remount,ro"], self.path()));
    }

    /// Fills all free space; removing the file frees it again.
    fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = File::create(&ballast).unwrap();
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok() {}
        ballast
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.path()).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// Waits until the space of removed files is free again. A process that another test of this program
    /// starts holds a copy of every open file until it runs its own program, and the kernel keeps the space
    /// for as long.
    #[expect(clippy::disallowed_methods, reason = "the kernel is watched from outside: no port of ours wakes us")]
    fn wait_for_room(&self, wanted: usize) {
        for _ in 0..1000 {
            if self.free() >= wanted as u64 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} bytes are free after 10 s, {wanted} are wanted", self.free());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn mount(args: &[&str], at: &Path) -> bool {
    Command::new("mount").args(args).arg(at).output().is_ok_and(|output| output.status.success())
}

fn blobs_on(disk: &Disk, reserve: usize) -> DiskBlobs {
    DiskBlobs::open(&disk.path().join("blobs"), reserve as u64, Arc::new(SystemClock)).unwrap()
}

fn name(index: usize) -> BlobName {
    BlobName::new(&Uid::new("ann").unwrap(), JobId(Uuid::from_u128(1)), index, "a.bin")
}

async fn put(blobs: &DiskBlobs, name: &BlobName, mib: usize) -> Result<()> {
    let mut writer = blobs.create(name).await?;
    for _ in 0..mib {
        writer.write(Bytes::from(vec![7; MIB])).await?;
    }
    writer.finish().await.map(drop)
}

async fn listed(blobs: &DiskBlobs) -> Vec<BlobName> {
    blobs.list("uploads/", None, 100).await.unwrap().into_iter().map(|(name, _)| name).collect()
}

fn temporary_files(disk: &Disk) -> usize {
    fs::read_dir(disk.path().join("blobs/tmp")).unwrap().count()
}

#[tokio::test]
async fn blob_that_fills_the_disk_is_refused_and_frees_its_space() {
    let Some(disk) = Disk::of(8) else { testkit::skip!(NO_MOUNT) };
    let blobs = blobs_on(&disk, 0);
    put(&blobs, &name(0), 3).await.unwrap();
    assert_eq!(put(&blobs, &name(1), 9).await.unwrap_err().kind, Kind::Full);
    assert_eq!((listed(&blobs).await, temporary_files(&disk)), (vec![name(0)], 0));
    disk.wait_for_room(4 * MIB);
    put(&blobs, &name(1), 3).await.unwrap();
    assert_eq!(listed(&blobs).await, [name(0), name(1)]);
}

#[tokio::test]
async fn small_blob_on_full_disk_is_refused_at_its_end() {
    let Some(disk) = Disk::of(4) else { testkit::skip!(NO_MOUNT) };
    let blobs = blobs_on(&disk, 0);
    let mut writer = blobs.create(&name(0)).await.unwrap();
    writer.write(Bytes::from(vec![7; 100_000])).await.unwrap();
    let ballast = disk.fill();
    assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Full);
    assert_eq!((listed(&blobs).await, temporary_files(&disk)), (vec![], 0));
    fs::remove_file(ballast).unwrap();
    disk.wait_for_room(2 * MIB);
    put(&blobs, &name(0), 1).await.unwrap();
}

#[tokio::test]
async fn long_blob_stops_at_the_reserve_before_disk_is_full() {
    let Some(disk) = Disk::of(64) else { testkit::skip!(NO_MOUNT) };
    let blobs = blobs_on(&disk, 40 * MIB);
    let mut writer = blobs.create(&name(0)).await.unwrap();
    let mut refused = None;
    for _ in 0..64 {
        if let Err(error) = writer.write(Bytes::from(vec![7; MIB])).await {
            refused = Some(error.kind);
            break;
        }
        // The free space is checked after every 8 MiB.
        assert!(disk.free() >= 31 * MIB as u64, "{}", disk.free());
    }
    assert_eq!(refused, Some(Kind::Full));
    drop(writer);
    assert_eq!(temporary_files(&disk), 0);
    disk.wait_for_room(48 * MIB);
    blobs.ready().await.unwrap();
}

fn add(db: &Connection, number: u32) -> rusqlite::Result<usize> {
    db.execute("INSERT INTO notes VALUES (?1, ?2)", (number, "x".repeat(50_000)))
}

#[tokio::test]
async fn database_on_full_disk_reports_it_keeps_answered_writes_and_recovers() {
    let Some(disk) = Disk::of(8) else { testkit::skip!(NO_MOUNT) };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 4 * MIB]).unwrap();
    let path = disk.path().join("notes.db");
    let writer = Writer::open(&path, MIGRATIONS).unwrap();
    let (mut kept, mut refused) = (Vec::new(), None);
    for number in 0..200 {
        match writer.call("notes.add", number, move |db| add(db, number)).await {
            Ok(_) => kept.push(number),
            Err(error) => {
                refused = Some(error.kind);
                break;
            }
        }
    }
    assert_eq!(refused, Some(Kind::Full), "after {} steps", kept.len());
    fs::remove_file(ballast).unwrap();
    disk.wait_for_room(2 * MIB);
    writer.call("notes.add", 1000, |db| add(db, 1000)).await.unwrap();
    kept.push(1000);
    drop(writer);
    let db = Connection::open(&path).unwrap();
    let mut rows = db.prepare("SELECT number FROM notes ORDER BY number").unwrap();
    let rows: Vec<u32> = rows.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect();
    assert_eq!(rows, kept);
}

#[tokio::test]
async fn push_log_on_full_disk_has_complete_lines_only() {
    let Some(disk) = Disk::of(1) else { testkit::skip!(NO_MOUNT) };
    let path = disk.path().join("push.log");
    let log = PushLog::open(&path, Arc::new(SystemClock)).unwrap();
    let phone = device(&uid("ann"), "phone", "token");
    // Longer than a page of the disk, so that a part of it still fits.
    let long = "x".repeat(3000);
    let data = message(&[("type", "offline_sync_completed"), ("job_id", &long)]);
    log.send(&phone, &data).await.unwrap();
    let ballast = disk.fill();
    for _ in 0..4 {
        log.send(&phone, &data).await.unwrap();
    }
    fs::remove_file(ballast).unwrap();
    disk.wait_for_room(MIB / 2);
    log.send(&phone, &data).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with('\n') && (2..6).contains(&text.lines().count()));
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn read_only_disk_is_refused_with_one_line() {
    let Some(disk) = Disk::of(4) else { testkit::skip!(NO_MOUNT) };
    let path = disk.path().join("data");
    let folder = DataFolder::open(&path).unwrap();
    let (blobs, store) = (folder.blobs_dir(), folder.store_file());
    let open_blobs = || DiskBlobs::open(&blobs, 0, Arc::new(SystemClock)).map(drop);
    open_blobs().unwrap();
    drop(Writer::open(&store, MIGRATIONS).unwrap());
    drop(folder);
    disk.make_read_only();
    assert_eq!(open_blobs().unwrap_err().kind, Kind::Misconfigured);
    let folder = DataFolder::open(&path).unwrap_err().to_string();
    assert!(folder.to_lowercase().contains("read-only"), "{folder}");
    let database = Writer::open(&store, MIGRATIONS).map(drop).unwrap_err().to_string();
    for line in [folder, database] {
        assert!(line.starts_with(path.to_str().unwrap()) && line.lines().count() == 1, "{line}");
    }
}
