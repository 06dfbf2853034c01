//! Listing and deleting.

use emulators::storage::{Fault, Op};
use flow::Kind;

use super::*;

#[tokio::test]
async fn blob_age_counts_from_its_write() {
    let at = fixture().await;
    at.write(b"sound").await.unwrap();
    at.clock.advance(Duration::from_secs(90));
    let listed = at.blobs.list("uploads/", None, 10).await.unwrap();
    // Another service has its own clock.
    let slack = Duration::from_secs(if at.cloud.is_elsewhere() { 10 } else { 0 });
    assert!(listed.len() == 1 && listed[0].0 == name(), "{listed:?}");
    assert!(listed[0].1.abs_diff(Duration::from_secs(90)) <= slack, "{listed:?}");
}

#[tokio::test]
async fn a_long_listing_is_read_page_by_page() {
    let at = fixture().await;
    let names: Vec<String> = (0..1203).map(|n| format!("uploads/{n:05}")).collect();
    for name in &names {
        at.cloud.put(name, &b"x"[..]);
    }
    let listed = at.blobs.list("uploads/", None, 5000).await.unwrap();
    assert!(listed.iter().map(|(name, _)| name.as_str()).eq(names.iter().map(String::as_str)));
    if !at.cloud.is_elsewhere() {
        // Google's testbench returns everything in one page.
        assert_eq!(at.cloud.count(Op::List), 2);
    }
    let after = BlobName::listed(names[100].clone());
    let listed = at.blobs.list("uploads/", Some(&after), 1001).await.unwrap();
    assert!(listed.iter().map(|(name, _)| name.as_str()).eq(names[101..1102].iter().map(String::as_str)));
    assert_eq!(at.blobs.list("uploads/", None, 0).await.unwrap(), []);
}

#[tokio::test]
async fn transient_errors_are_retried_a_few_times() {
    let at = fixture().await;
    at.write(b"sound").await.unwrap();
    for (op, status) in [(Op::List, 503), (Op::List, 429), (Op::Delete, 503), (Op::Delete, 500)] {
        at.cloud.order(op, Fault::Status(status), 2);
    }
    assert_eq!(at.blobs.list("uploads/", None, 10).await.unwrap().len(), 1);
    at.blobs.delete(&name()).await.unwrap();
    assert_eq!((at.cloud.count(Op::List), at.cloud.count(Op::Delete), at.stored()), (5, 5, None));
    at.cloud.order(Op::List, Fault::Status(503), 100);
    assert_eq!(at.blobs.list("uploads/", None, 10).await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(at.cloud.count(Op::List), 5 + 5);
}

#[tokio::test]
async fn deletion_with_all_answers_lost_is_unknown() {
    let at = fixture().await;
    at.write(b"sound").await.unwrap();
    at.cloud.order(Op::Delete, Fault::LoseAnswer, 100);
    assert_eq!(at.blobs.delete(&name()).await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(at.stored(), None);
}
