//! The contract of upload sessions whose bytes do not pass through this process: devices send them to the address that
//! `start` gave, in the protocol of Google Cloud Storage.
//!
//! It mirrors the suite of [`uploads`](super::uploads). Three behaviours of that suite have no counterpart here,
//! because they concern a server of ours that receives bytes: a dropped writer, a writer displaced by another one, and
//! a writer stopped by `abandon`. Nothing is listed either, because unfinished sessions end by themselves.

use std::sync::Arc;

use async_trait::async_trait;
use domain::UploadUrl;
use flow::Kind;
use flow::ports::{BlobName, Blobs, Expected, Progress, Uploads};
use futures_util::TryStreamExt;

use crate::build::{blob, job_id, uid};

/// The port, the blobs that its files become, and a device that sends bytes.
pub struct Direct {
    pub uploads: Arc<dyn Uploads>,
    pub blobs: Arc<dyn Blobs>,
    pub device: Arc<dyn SendsBytes>,
}

#[async_trait]
pub trait SendsBytes: Send + Sync {
    /// Sends one `PUT` with these bytes, which begin at offset `first` of the file.
    async fn put(&self, to: &Address<'_>, first: u64, bytes: &[u8]) -> Sent;
}

/// Where the bytes of a file are sent.
pub struct Address<'a> {
    pub name: &'a BlobName,
    pub url: &'a UploadUrl,
    pub expected: Expected,
}

/// The answer to a `PUT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// 308: this many bytes have arrived.
    More(u64),
    /// 200: the file is complete.
    Whole,
    Refused,
}

/// All requests but the last one of a file carry a multiple of this many bytes, as Google requires.
const QUANTUM: usize = 256 * 1024;

fn name(n: u64) -> BlobName {
    blob(&uid("ann"), job_id(n), 0)
}

/// Two quanta and a half.
fn sound() -> Vec<u8> {
    (0..(2 * QUANTUM + QUANTUM / 2) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn of(bytes: &[u8]) -> Expected {
    Expected { size: bytes.len() as u64, crc32c: None }
}

fn checked(bytes: &[u8]) -> Expected {
    Expected { crc32c: Some(crc32c::crc32c(bytes)), ..of(bytes) }
}

fn whole(bytes: &[u8]) -> Progress {
    Progress::Whole { size: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) }
}

/// A file that is being uploaded.
struct File<'a> {
    at: &'a Direct,
    name: BlobName,
    url: UploadUrl,
    expected: Expected,
}

impl Direct {
    async fn open(&self, n: u64, expected: Expected) -> File<'_> {
        let url = self.uploads.start(&name(n), expected).await.unwrap();
        File { at: self, name: name(n), url, expected }
    }
}

impl File<'_> {
    async fn put(&self, first: usize, bytes: &[u8]) -> Sent {
        let address = Address { name: &self.name, url: &self.url, expected: self.expected };
        self.at.device.put(&address, first as u64, bytes).await
    }

    async fn progress(&self) -> Progress {
        self.at.uploads.progress(&self.name, &self.url, self.expected).await.unwrap()
    }

    async fn abandon(&self, url: Option<&UploadUrl>) {
        self.at.uploads.abandon(&self.name, url).await.unwrap();
    }

    async fn read(&self) -> Option<Vec<u8>> {
        match self.at.blobs.read(&self.name, 0).await {
            Ok(pieces) => Some(pieces.try_collect::<Vec<_>>().await.unwrap().concat()),
            Err(error) => {
                assert_eq!(error.kind, Kind::NotFound);
                None
            }
        }
    }
}

pub async fn upload_url_is_never_given_twice(at: Arc<Direct>) {
    let (one, two) = (at.open(1, of(b"sound")).await.url, at.open(1, of(b"sound")).await.url);
    assert_ne!(one, two);
    assert!(one.expose().len() >= 32 && !format!("{one:?}").contains(one.expose()), "it is long, and never shown");
}

pub async fn file_sent_in_one_piece_becomes_a_blob(at: Arc<Direct>) {
    let file = at.open(1, checked(b"sound")).await;
    assert_eq!(file.progress().await, Progress::Open { offset: 0 });
    assert_eq!(file.put(0, b"sound").await, Sent::Whole);
    assert_eq!(file.progress().await, whole(b"sound"));
    assert_eq!(file.read().await.unwrap(), b"sound");
}

pub async fn upload_resumes_where_it_was_interrupted(at: Arc<Direct>) {
    let sound = sound();
    let file = at.open(1, checked(&sound)).await;
    for first in [0, QUANTUM] {
        assert_eq!(file.progress().await, Progress::Open { offset: first as u64 });
        let there = first + QUANTUM;
        assert_eq!(file.put(first, &sound[first..there]).await, Sent::More(there as u64));
        assert_eq!(file.read().await, None, "an incomplete file cannot be read");
    }
    assert_eq!(file.put(2 * QUANTUM, &sound[2 * QUANTUM..]).await, Sent::Whole);
    assert_eq!(file.progress().await, whole(&sound));
    assert!(file.read().await.unwrap() == sound);
}

pub async fn received_bytes_may_be_sent_again(at: Arc<Direct>) {
    let sound = sound();
    let file = at.open(1, checked(&sound)).await;
    file.put(0, &sound[..QUANTUM]).await;
    assert_eq!(file.put(0, &sound).await, Sent::Whole);
    assert!(file.read().await.unwrap() == sound);
}

pub async fn bytes_beyond_the_offset_are_refused(at: Arc<Direct>) {
    let sound = sound();
    let file = at.open(1, checked(&sound)).await;
    assert_eq!(file.put(QUANTUM, &sound[QUANTUM..]).await, Sent::Refused);
    assert_eq!(file.progress().await, Progress::Open { offset: 0 });
    assert_eq!(file.put(0, &sound).await, Sent::Whole);
}

pub async fn large_file_is_received_completely(at: Arc<Direct>) {
    let sound = sound().repeat(15);
    let file = at.open(1, checked(&sound)).await;
    assert_eq!(file.put(0, &sound[..20 * QUANTUM]).await, Sent::More(20 * QUANTUM as u64));
    assert_eq!(file.put(20 * QUANTUM, &sound[20 * QUANTUM..]).await, Sent::Whole);
    assert_eq!(file.progress().await, whole(&sound));
    assert!(file.read().await.unwrap() == sound);
}

pub async fn bytes_that_differ_from_the_announced_digest_never_become_the_blob(at: Arc<Direct>) {
    let file = at.open(1, checked(b"sound")).await;
    assert_eq!(file.put(0, b"noise").await, Sent::Refused);
    assert_eq!(file.read().await, None);
    let progress = file.progress().await;
    assert!(matches!(progress, Progress::Open { offset: 0 } | Progress::Gone), "{progress:?}");
    let again = at.open(1, checked(b"sound")).await;
    assert_eq!(again.put(0, b"sound").await, Sent::Whole, "the right bytes are accepted afterwards");
    assert_eq!(again.read().await.unwrap(), b"sound");
}

pub async fn complete_file_is_not_changed(at: Arc<Direct>) {
    let file = at.open(1, of(b"sound")).await;
    file.put(0, b"sound").await;
    assert_ne!(file.put(0, b"noise").await, Sent::More(5));
    assert_eq!(file.progress().await, whole(b"sound"));
    assert_eq!(file.read().await.unwrap(), b"sound");
}

pub async fn first_complete_file_wins_among_two_upload_urls_of_one_name(at: Arc<Direct>) {
    let (one, two) = (at.open(1, of(b"sound")).await, at.open(1, of(b"sound")).await);
    assert_eq!(two.put(0, b"sound").await, Sent::Whole);
    one.put(0, b"noise").await;
    assert_eq!(two.read().await.unwrap(), b"sound");
    assert_eq!(two.progress().await, whole(b"sound"));
}

pub async fn uploads_of_two_files_are_independent(at: Arc<Direct>) {
    let sound = sound();
    let one = at.open(1, of(&sound)).await;
    assert_eq!(one.put(0, &sound[..QUANTUM]).await, Sent::More(QUANTUM as u64));
    assert_eq!(at.open(2, of(b"sound")).await.put(0, b"sound").await, Sent::Whole);
    assert_eq!(at.open(3, of(b"sound")).await.progress().await, Progress::Open { offset: 0 });
    assert_eq!(one.progress().await, Progress::Open { offset: QUANTUM as u64 });
}

pub async fn abandoned_upload_is_gone(at: Arc<Direct>) {
    let sound = sound();
    let file = at.open(1, of(&sound)).await;
    file.put(0, &sound[..QUANTUM]).await;
    for url in [Some(&file.url), Some(&file.url), None] {
        file.abandon(url).await;
        let progress = file.progress().await;
        assert!(matches!(progress, Progress::Open { offset: 0 } | Progress::Gone), "{progress:?}");
    }
    let again = at.open(1, checked(&sound)).await;
    assert_eq!(again.put(0, &sound).await, Sent::Whole);
    again.abandon(Some(&again.url)).await;
    assert!(again.read().await.unwrap() == sound, "a complete file is a blob");
}

pub async fn empty_store_has_room(at: Arc<Direct>) {
    at.uploads.room().await.unwrap();
}

/// The tests that a direct [`Uploads`] must pass; the macro's argument makes a [`Direct`].
#[macro_export]
macro_rules! direct_contract {
    ($make:expr) => {
        $crate::contract_tests! { direct_contract of direct, $make, [
            upload_url_is_never_given_twice,
            file_sent_in_one_piece_becomes_a_blob,
            upload_resumes_where_it_was_interrupted,
            received_bytes_may_be_sent_again,
            bytes_beyond_the_offset_are_refused,
            large_file_is_received_completely,
            bytes_that_differ_from_the_announced_digest_never_become_the_blob,
            complete_file_is_not_changed,
            first_complete_file_wins_among_two_upload_urls_of_one_name,
            uploads_of_two_files_are_independent,
            abandoned_upload_is_gone,
            empty_store_has_room,
        ] }
    };
}
