//! The contract of the port that receives the bytes of upload sessions: bytes come in any pieces, with any
//! interruptions, and count once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::UploadUrl;
use flow::ports::{BlobName, Blobs, Expected, IncomingUpload, PartWriter, Progress, ReceivesUploads};
use flow::{Kind, Result};
use futures_util::TryStreamExt;

use crate::build::{blob, job_id, uid};

/// The port, and the blobs that its files become.
pub struct Receiving {
    pub uploads: Arc<dyn ReceivesUploads>,
    pub blobs: Arc<dyn Blobs>,
}

const SOUND: &[u8] = b"some sound that comes in pieces";
/// Larger than what a disk adapter syncs at once.
const LARGE: usize = 9 * 1024 * 1024 + 17;

fn name(n: u64) -> BlobName {
    blob(&uid("ann"), job_id(n), 0)
}

fn of(bytes: &[u8]) -> Expected {
    Expected { size: bytes.len() as u64, crc32c: None }
}

fn checked(bytes: &[u8]) -> Expected {
    Expected { crc32c: Some(crc32c::crc32c(bytes)), ..of(bytes) }
}

impl Receiving {
    async fn url(&self, name: &BlobName) -> UploadUrl {
        self.uploads.start(name, of(SOUND)).await.unwrap()
    }

    async fn open(&self, name: &BlobName, expected: Expected) -> Box<dyn PartWriter> {
        match self.uploads.append(name, expected).await.unwrap() {
            IncomingUpload::Open(writer) => writer,
            IncomingUpload::Whole { .. } => panic!("the file is complete already"),
        }
    }

    async fn send(&self, name: &BlobName, expected: Expected, bytes: &[u8]) -> Result<Progress> {
        let mut writer = self.open(name, expected).await;
        for part in bytes.chunks(100_003) {
            writer.write(Bytes::copy_from_slice(part)).await?;
        }
        writer.flush().await
    }

    async fn progress(&self, name: &BlobName, expected: Expected) -> Progress {
        let url = self.url(name).await;
        self.uploads.progress(name, &url, expected).await.unwrap()
    }

    async fn read(&self, name: &BlobName) -> Option<Vec<u8>> {
        match self.blobs.read(name, 0).await {
            Ok(pieces) => Some(pieces.try_collect::<Vec<_>>().await.unwrap().concat()),
            Err(error) => {
                assert_eq!(error.kind, Kind::NotFound);
                None
            }
        }
    }

    async fn parts(&self) -> Vec<BlobName> {
        self.uploads.list(None, 1000).await.unwrap().into_iter().map(|(name, _)| name).collect()
    }
}

fn whole(bytes: &[u8]) -> Progress {
    Progress::Whole { size: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) }
}

pub async fn upload_url_is_never_given_twice(at: Arc<Receiving>) {
    let (one, two) = (at.url(&name(1)).await, at.url(&name(1)).await);
    assert_ne!(one, two);
    assert!(one.expose().len() >= 32 && !format!("{one:?}").contains(one.expose()), "it is long, and never shown");
}

pub async fn file_sent_in_one_piece_becomes_a_blob(at: Arc<Receiving>) {
    assert_eq!(at.send(&name(1), checked(SOUND), SOUND).await.unwrap(), whole(SOUND));
    assert_eq!(at.progress(&name(1), checked(SOUND)).await, whole(SOUND));
    assert_eq!(at.read(&name(1)).await.unwrap(), SOUND);
}

pub async fn upload_resumes_where_it_was_interrupted(at: Arc<Receiving>) {
    assert_eq!(at.progress(&name(1), of(SOUND)).await, Progress::Open { offset: 0 });
    for (from, to) in [(0, 7), (7, 8), (8, 20)] {
        assert_eq!(at.open(&name(1), of(SOUND)).await.offset(), from as u64);
        let progress = at.send(&name(1), of(SOUND), &SOUND[from..to]).await.unwrap();
        assert_eq!(progress, Progress::Open { offset: to as u64 });
        assert_eq!(at.progress(&name(1), of(SOUND)).await, progress);
        assert_eq!(at.read(&name(1)).await, None, "an incomplete file cannot be read");
    }
    assert_eq!(at.send(&name(1), checked(SOUND), &SOUND[20..]).await.unwrap(), whole(SOUND));
    assert_eq!(at.read(&name(1)).await.unwrap(), SOUND);
}

pub async fn written_bytes_count_when_the_writer_is_dropped(at: Arc<Receiving>) {
    let mut writer = at.open(&name(1), of(SOUND)).await;
    writer.write(Bytes::from_static(&SOUND[..9])).await.unwrap();
    drop(writer);
    assert_eq!(at.open(&name(1), of(SOUND)).await.offset(), 9);
}

pub async fn large_file_is_received_completely(at: Arc<Receiving>) {
    let bytes: Vec<u8> = (0..LARGE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    at.send(&name(1), checked(&bytes), &bytes[..5_000_000]).await.unwrap();
    assert_eq!(at.send(&name(1), checked(&bytes), &bytes[5_000_000..]).await.unwrap(), whole(&bytes));
    assert!(at.read(&name(1)).await.unwrap() == bytes);
}

pub async fn more_bytes_than_announced_are_refused(at: Arc<Receiving>) {
    let mut writer = at.open(&name(1), of(SOUND)).await;
    writer.write(Bytes::from_static(&SOUND[..30])).await.unwrap();
    assert_eq!(writer.write(Bytes::from_static(b"xx")).await.unwrap_err().kind, Kind::Invalid);
    drop(writer);
    assert_eq!(at.open(&name(1), of(SOUND)).await.offset(), 30, "and nothing of them is written");
}

pub async fn bytes_that_differ_from_the_announced_digest_are_discarded(at: Arc<Receiving>) {
    let wrong = [b'x'; SOUND.len()];
    let error = at.send(&name(1), checked(SOUND), &wrong).await.unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
    assert_eq!(at.progress(&name(1), checked(SOUND)).await, Progress::Open { offset: 0 });
    assert_eq!(
        at.send(&name(1), checked(SOUND), SOUND).await.unwrap(),
        whole(SOUND),
        "the right bytes are accepted afterwards"
    );
}

pub async fn complete_file_accepts_no_more_bytes(at: Arc<Receiving>) {
    at.send(&name(1), of(SOUND), SOUND).await.unwrap();
    let IncomingUpload::Whole { size, crc32c } = at.uploads.append(&name(1), of(SOUND)).await.unwrap() else {
        panic!("the file is complete")
    };
    assert_eq!(Progress::Whole { size, crc32c }, whole(SOUND));
}

pub async fn latest_writer_displaces_the_earlier_one(at: Arc<Receiving>) {
    let mut hangs = at.open(&name(1), of(SOUND)).await;
    hangs.write(Bytes::from_static(&SOUND[..11])).await.unwrap();
    let stops = async {
        hangs.displaced().await;
        hangs.flush().await
    };
    let name = name(1);
    let (before, after) = tokio::join!(stops, at.open(&name, of(SOUND)));
    assert_eq!(before.unwrap(), Progress::Open { offset: 11 });
    assert_eq!(after.offset(), 11);
}

pub async fn uploads_of_two_files_are_independent(at: Arc<Receiving>) {
    let mut one = at.open(&name(1), of(SOUND)).await;
    one.write(Bytes::from_static(&SOUND[..3])).await.unwrap();
    assert_eq!(at.send(&name(2), of(SOUND), SOUND).await.unwrap(), whole(SOUND));
    assert_eq!(at.progress(&name(3), of(SOUND)).await, Progress::Open { offset: 0 });
    assert_eq!(one.flush().await.unwrap(), Progress::Open { offset: 3 });
}

pub async fn asking_for_progress_does_not_stop_the_writer(at: Arc<Receiving>) {
    let mut writer = at.open(&name(1), of(SOUND)).await;
    writer.write(Bytes::from_static(&SOUND[..3])).await.unwrap();
    at.progress(&name(1), of(SOUND)).await;
    let undisturbed = tokio::time::timeout(Duration::from_millis(20), writer.displaced()).await;
    assert!(undisturbed.is_err(), "the writer was told to stop");
    assert_eq!(writer.flush().await.unwrap(), Progress::Open { offset: 3 });
}

pub async fn abandoned_upload_is_gone(at: Arc<Receiving>) {
    let url = at.url(&name(1)).await;
    at.send(&name(1), of(SOUND), &SOUND[..9]).await.unwrap();
    for url in [Some(&url), None] {
        at.uploads.abandon(&name(1), url).await.unwrap();
        assert_eq!(at.progress(&name(1), of(SOUND)).await, Progress::Open { offset: 0 });
        assert_eq!(at.parts().await, []);
    }
    assert_eq!(at.send(&name(1), checked(SOUND), SOUND).await.unwrap(), whole(SOUND));
}

pub async fn abandoning_stops_the_sender(at: Arc<Receiving>) {
    let mut hangs = at.open(&name(1), of(SOUND)).await;
    hangs.write(Bytes::from_static(&SOUND[..11])).await.unwrap();
    let stops = async {
        hangs.displaced().await;
        hangs.flush().await
    };
    let name = name(1);
    let (before, abandoned) = tokio::join!(stops, at.uploads.abandon(&name, None));
    before.unwrap();
    abandoned.unwrap();
    assert_eq!(at.open(&name, of(SOUND)).await.offset(), 0);
}

pub async fn received_files_are_listed_page_by_page(at: Arc<Receiving>) {
    for n in [3, 1, 2] {
        at.send(&name(n), of(SOUND), &SOUND[..5]).await.unwrap();
    }
    let all = [1, 2, 3].map(name);
    assert_eq!(at.parts().await, all);
    let first = at.uploads.list(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), all[..2]);
    let rest = at.uploads.list(Some(&all[1]), 2).await.unwrap();
    assert_eq!(rest.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), all[2..]);
}

pub async fn empty_store_has_room(at: Arc<Receiving>) {
    at.uploads.room().await.unwrap();
}

/// The tests that a [`ReceivesUploads`] must pass; the macro's argument makes a [`Receiving`].
#[macro_export]
macro_rules! uploads_contract {
    ($make:expr) => {
        $crate::contract_tests! { uploads_contract of uploads, $make, [
            upload_url_is_never_given_twice,
            file_sent_in_one_piece_becomes_a_blob,
            upload_resumes_where_it_was_interrupted,
            written_bytes_count_when_the_writer_is_dropped,
            large_file_is_received_completely,
            more_bytes_than_announced_are_refused,
            bytes_that_differ_from_the_announced_digest_are_discarded,
            complete_file_accepts_no_more_bytes,
            latest_writer_displaces_the_earlier_one,
            uploads_of_two_files_are_independent,
            asking_for_progress_does_not_stop_the_writer,
            abandoned_upload_is_gone,
            abandoning_stops_the_sender,
            received_files_are_listed_page_by_page,
            empty_store_has_room,
        ] }
    };
}
