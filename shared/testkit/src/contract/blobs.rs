//! The blob store's contract: whole blobs under a name, written once, read from anywhere, deleted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flow::ports::{BlobName, Blobs, StoredBlob};
use flow::{Kind, Result};
use futures_util::TryStreamExt;

use crate::build::{blob, job_id, uid};
use crate::fault_injection::LosesAnswers;
use crate::memory::describe;

/// The largest piece that a read may give.
const MAX_PIECE: usize = 256 * 1024;

fn name(n: u64) -> BlobName {
    blob(&uid("ann"), job_id(n), 0)
}

async fn write(blobs: &dyn Blobs, name: &BlobName, bytes: &[u8]) -> Result<StoredBlob> {
    let mut writer = blobs.create(name).await?;
    for part in bytes.chunks(100_003) {
        writer.write(Bytes::copy_from_slice(part)).await?;
    }
    writer.finish().await
}

async fn read(blobs: &dyn Blobs, name: &BlobName, offset: u64) -> Result<Vec<u8>> {
    let pieces: Vec<_> = blobs.read(name, offset).await?.try_collect().await?;
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= MAX_PIECE), "pieces are bounded");
    Ok(pieces.concat())
}

async fn is_missing(blobs: &dyn Blobs, name: &BlobName) -> bool {
    matches!(read(blobs, name, 0).await, Err(error) if error.kind == Kind::NotFound)
}

async fn names(blobs: &dyn Blobs, prefix: &str) -> Vec<BlobName> {
    let listed = blobs.list(prefix, None, 1000).await.unwrap();
    listed.into_iter().map(|(name, _)| name).collect()
}

pub async fn blob_reads_back_and_is_described(blobs: Arc<dyn Blobs>) {
    let stored = write(&*blobs, &name(1), b"some sound").await.unwrap();
    assert_eq!(stored, describe(b"some sound"));
    assert_eq!(read(&*blobs, &name(1), 0).await.unwrap(), b"some sound");
}

pub async fn blob_is_not_visible_before_it_is_finished(blobs: Arc<dyn Blobs>) {
    let mut writer = blobs.create(&name(1)).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    assert!(is_missing(&*blobs, &name(1)).await);
    assert_eq!(names(&*blobs, "uploads/").await, []);
    writer.finish().await.unwrap();
    assert_eq!(names(&*blobs, "uploads/").await, [name(1)]);
}

pub async fn aborted_or_dropped_write_leaves_nothing(blobs: Arc<dyn Blobs>) {
    let mut writer = blobs.create(&name(1)).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    writer.abort().await;
    let mut writer = blobs.create(&name(2)).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    drop(writer);
    assert!(is_missing(&*blobs, &name(1)).await && is_missing(&*blobs, &name(2)).await);
    assert_eq!(names(&*blobs, "uploads/").await, []);
    write(&*blobs, &name(1), b"whole").await.unwrap();
    assert_eq!(read(&*blobs, &name(1), 0).await.unwrap(), b"whole");
}

pub async fn writing_the_same_bytes_again_succeeds(blobs: Arc<dyn Blobs>) {
    let first = write(&*blobs, &name(1), b"some sound").await.unwrap();
    assert_eq!(write(&*blobs, &name(1), b"some sound").await.unwrap(), first);
    assert_eq!(names(&*blobs, "uploads/").await, [name(1)]);
}

pub async fn other_bytes_under_a_taken_name_are_a_conflict(blobs: Arc<dyn Blobs>) {
    write(&*blobs, &name(1), b"first").await.unwrap();
    for other in [&b"other"[..], b"longer than the first", b""] {
        assert_eq!(write(&*blobs, &name(1), other).await.unwrap_err().kind, Kind::Conflict);
    }
    assert_eq!(read(&*blobs, &name(1), 0).await.unwrap(), b"first", "the first content is kept");
}

pub async fn one_of_two_concurrent_writers_wins(blobs: Arc<dyn Blobs>) {
    let writing = |bytes: &'static [u8]| {
        let blobs = blobs.clone();
        tokio::spawn(async move { write(&*blobs, &name(1), bytes).await.map(|_| bytes) })
    };
    let tasks = [writing(b"one"), writing(b"two"), writing(b"one"), writing(b"two")];
    let mut won = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(bytes) => won.push(bytes),
            Err(error) => assert_eq!(error.kind, Kind::Conflict),
        }
    }
    let content = read(&*blobs, &name(1), 0).await.unwrap();
    assert_eq!(won, [content.as_slice(), content.as_slice()], "two writers wrote each of the two contents");
}

pub async fn read_begins_at_the_given_offset(blobs: Arc<dyn Blobs>) {
    write(&*blobs, &name(1), b"0123456789").await.unwrap();
    for (offset, rest) in [(0, "0123456789"), (1, "123456789"), (9, "9"), (10, "")] {
        assert_eq!(read(&*blobs, &name(1), offset).await.unwrap(), rest.as_bytes(), "from {offset}");
    }
}

pub async fn large_blob_is_read_in_bounded_pieces(blobs: Arc<dyn Blobs>) {
    let bytes: Vec<u8> = (0..3 * 1024 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(write(&*blobs, &name(1), &bytes).await.unwrap(), describe(&bytes));
    assert!(read(&*blobs, &name(1), 0).await.unwrap() == bytes);
    assert!(read(&*blobs, &name(1), 1_000_001).await.unwrap() == bytes[1_000_001..]);
}

pub async fn a_blob_may_be_empty(blobs: Arc<dyn Blobs>) {
    assert_eq!(write(&*blobs, &name(1), b"").await.unwrap(), describe(b""));
    assert_eq!(read(&*blobs, &name(1), 0).await.unwrap(), b"");
    assert_eq!(names(&*blobs, "uploads/").await, [name(1)]);
}

pub async fn missing_blob_is_not_found(blobs: Arc<dyn Blobs>) {
    assert!(is_missing(&*blobs, &name(1)).await);
    let error = blobs.read(&name(1), 5).await.err().map(|error| error.kind);
    assert_eq!(error, Some(Kind::NotFound));
}

pub async fn a_blob_can_be_deleted_twice_and_written_again(blobs: Arc<dyn Blobs>) {
    write(&*blobs, &name(1), b"first").await.unwrap();
    write(&*blobs, &name(2), b"stays").await.unwrap();
    for _ in 0..2 {
        blobs.delete(&name(1)).await.unwrap();
        assert!(is_missing(&*blobs, &name(1)).await);
    }
    assert_eq!(names(&*blobs, "uploads/").await, [name(2)]);
    write(&*blobs, &name(1), b"second").await.unwrap();
    assert_eq!(read(&*blobs, &name(1), 0).await.unwrap(), b"second");
}

pub async fn a_listing_is_in_order_page_by_page(blobs: Arc<dyn Blobs>) {
    for n in [3, 1, 5, 2, 4] {
        write(&*blobs, &name(n), b"x").await.unwrap();
    }
    let all = [1, 2, 3, 4, 5].map(name);
    for size in 1..=6 {
        let mut seen: Vec<BlobName> = Vec::new();
        loop {
            let page = blobs.list("uploads/", seen.last(), size).await.unwrap();
            assert!(page.len() <= size && page.iter().all(|(_, age)| *age < Duration::from_secs(3600)));
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|(name, _)| name));
        }
        assert_eq!(seen, all, "pages of {size}");
    }
    let middle = BlobName::listed(format!("{}zzz", BlobName::folder(&uid("ann"), job_id(2))));
    let page = blobs.list("uploads/", Some(&middle), 1).await.unwrap();
    assert_eq!(page[0].0, name(3), "the listing continues after a missing name");
}

pub async fn listing_of_a_folder_excludes_its_neighbours(blobs: Arc<dyn Blobs>) {
    let users = ["ann", "an", "ann2", "ann.b", "Ann", "ann%2Eb"];
    for user in users {
        write(&*blobs, &blob(&uid(user), job_id(1), 0), user.as_bytes()).await.unwrap();
        write(&*blobs, &blob(&uid(user), job_id(2), 0), user.as_bytes()).await.unwrap();
    }
    for user in users {
        let folder = BlobName::folder(&uid(user), job_id(1));
        let own = blob(&uid(user), job_id(1), 0);
        assert_eq!(read(&*blobs, &own, 0).await.unwrap(), user.as_bytes());
        assert_eq!(names(&*blobs, &folder).await, [own], "{user}");
    }
    assert_eq!(names(&*blobs, "uploads/").await.len(), 2 * users.len());
}

pub async fn similar_names_are_different_blobs(blobs: Arc<dyn Blobs>) {
    let files = ["Talk.bin", "talk.bin", "ta lk.bin", "ta_lk.bin", "é.bin", "e\u{301}.bin"];
    let blob_of = |i: usize| BlobName::new(&uid("ann"), job_id(1), i, files[i]);
    for (i, file) in files.iter().enumerate() {
        write(&*blobs, &blob_of(i), file.as_bytes()).await.unwrap();
    }
    for (i, file) in files.iter().enumerate() {
        assert_eq!(read(&*blobs, &blob_of(i), 0).await.unwrap(), file.as_bytes());
    }
}

pub async fn operation_is_repeated_safely_after_a_lost_answer(blobs: Arc<dyn Blobs>) {
    let fault_injection = LosesAnswers::first_of_each(blobs.clone());
    assert_eq!(write(&fault_injection, &name(1), b"sound").await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(write(&fault_injection, &name(1), b"sound").await.unwrap(), describe(b"sound"));
    assert_eq!(fault_injection.delete(&name(1)).await.unwrap_err().kind, Kind::Unknown);
    fault_injection.delete(&name(1)).await.unwrap();
    assert!(is_missing(&*blobs, &name(1)).await);
}

pub async fn a_store_with_room_is_ready(blobs: Arc<dyn Blobs>) {
    blobs.ready().await.unwrap();
}

/// The tests that a [`Blobs`] must pass.
#[macro_export]
macro_rules! blobs_contract {
    ($make:expr) => {
        $crate::contract_tests! { blobs_contract of blobs, $make, [
            blob_reads_back_and_is_described,
            blob_is_not_visible_before_it_is_finished,
            aborted_or_dropped_write_leaves_nothing,
            writing_the_same_bytes_again_succeeds,
            other_bytes_under_a_taken_name_are_a_conflict,
            one_of_two_concurrent_writers_wins,
            read_begins_at_the_given_offset,
            large_blob_is_read_in_bounded_pieces,
            a_blob_may_be_empty,
            missing_blob_is_not_found,
            a_blob_can_be_deleted_twice_and_written_again,
            a_listing_is_in_order_page_by_page,
            listing_of_a_folder_excludes_its_neighbours,
            similar_names_are_different_blobs,
            operation_is_repeated_safely_after_a_lost_answer,
            a_store_with_room_is_ready,
        ] }
    };
}
