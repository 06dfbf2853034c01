//! Deleted texts are gone from the file too, and not only unreachable.

use std::fs;

use domain::accept::Batch;
use flow::ports::{LibraryStore, LineQuery, Page};
use testkit::Harness;
use testkit::build::{batch, conversation_id, phone, uid};

use super::{fresh, harness, path};

const SECRET: &str = "unspeakable";
/// A text in another conversation, which must stay.
const KEPT: &str = "memorable";

/// Enough recordings that the table's pages split again and again, with lines from a few words to
/// several pages.
const RECORDINGS: i64 = 40;

fn text(word: &str, n: i64) -> String {
    let count = if n % 7 == 0 { 900 } else { 3 + 11 * (n as usize % 5) };
    vec![word; count].join(" ")
}

fn attached(n: i64, to: u64) -> Batch {
    let mut batch = batch(&uid("ann"), &[phone(n)]);
    batch.conversation_id = Some(conversation_id(to));
    batch
}

async fn talk(harness: &Harness, n: i64) {
    let (word, to) = if n % 3 == 0 { (KEPT, 2) } else { (SECRET, 1) };
    let said: Vec<_> = (0..5).map(|k| text(word, n + k)).collect();
    let said: Vec<_> = (0_u32..).zip(&said).map(|(k, text)| (k * 1000, k * 1000 + 900, text.as_str())).collect();
    harness.transcribe_batch(&attached(n * 3600, to), &[&said]).await;
}

fn times(bytes: &[u8], word: &str) -> usize {
    bytes.windows(word.len()).filter(|window| *window == word.as_bytes()).count()
}

#[tokio::test]
async fn no_page_of_the_file_contains_a_removed_text() {
    let (store, folder) = fresh();
    let harness = harness(&store);
    for n in 0..RECORDINGS {
        talk(&harness, n * 17 % RECORDINGS).await;
    }
    let (ann, gone) = (uid("ann"), conversation_id(1));
    assert!(harness.delete(&ann, gone).await);
    harness.forget(&ann, gone, 10).await;
    assert_eq!(store.conversation(&LineQuery::of(&ann, gone, Page::first(1))).await.unwrap(), None);
    drop((harness, store));
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [path(&folder)], "closing the store leaves no log");
    let bytes = fs::read(path(&folder)).unwrap();
    assert!(times(&bytes, KEPT) > 1000);
    assert_eq!(times(&bytes, SECRET), 0);
}
