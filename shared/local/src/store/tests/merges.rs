//! The longest chain of merges: islands that are joined one by one, each time into an earlier one.

use flow::ports::{LibraryStore, LineCursor, LineQuery, Page};
use testkit::build::{phone, uid};

use super::{fresh, harness};

const ISLANDS: i64 = 30;

#[tokio::test]
async fn often_merged_conversation_is_complete_under_every_former_id() {
    let (store, _folder) = fresh();
    let (harness, ann) = (harness(&store), uid("ann"));
    let mut ids = Vec::new();
    // 200 s apart the islands are separate; recordings in the middle join them.
    let middles = (0..ISLANDS - 1).rev().map(|n| n * 200 + 100);
    for secs in (0..ISLANDS).map(|n| n * 200).chain(middles) {
        let job = harness.transcribe(&ann, &phone(secs), &[(0, 1000, &secs.to_string())]).await;
        ids.extend(job.new_conversation_ids);
    }
    assert_eq!(ids.len() as i64, ISLANDS);
    let expected: Vec<_> = (0..2 * ISLANDS - 1).map(|n| (n * 100).to_string()).collect();
    assert_eq!(harness.talk(&ann).await, std::slice::from_ref(&expected));
    for id in ids {
        let (mut said, mut after): (Vec<String>, Option<LineCursor>) = (Vec::new(), None);
        loop {
            let query = LineQuery::of(&ann, id, Page { after, limit: 7 });
            let page = store.conversation(&query).await.unwrap().unwrap();
            assert!(page.lines.len() <= 7);
            said.extend(page.lines.iter().map(|line| line.text()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(said, expected);
    }
}
