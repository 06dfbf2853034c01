//! Listing in the order of names, by pages, with ages.

use super::*;

async fn names(at: &Fixture, prefix: &str, after: Option<&BlobName>, limit: usize) -> Vec<BlobName> {
    at.blobs.list(prefix, after, limit).await.unwrap().into_iter().map(|(name, _)| name).collect()
}

/// Users whose folders sort differently from their names: `-` and `%` come before `/`.
async fn several(at: &Fixture) -> Vec<BlobName> {
    let mut all = Vec::new();
    for uid in ["a", "a-b", "a.b", "ab", "Z"] {
        for (number, index) in [(1, 0), (1, 10), (1, 2), (7, 0)] {
            all.push(blob(uid, number, index));
        }
    }
    for name in &all {
        at.put(name, "x").await.unwrap();
    }
    all.sort();
    all
}

#[tokio::test]
async fn pages_contain_everything_in_order() {
    let at = fixture();
    let all = several(&at).await;
    assert_eq!(names(&at, "uploads/", None, 1000).await, all);
    for limit in [1, 3] {
        let mut paged: Vec<BlobName> = Vec::new();
        loop {
            let page = names(&at, "uploads/", paged.last(), limit).await;
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all);
    }
    assert_eq!(names(&at, "uploads/", None, 0).await, []);
}

#[tokio::test]
async fn prefix_and_start_need_not_be_existing_names() {
    let at = fixture();
    let all = several(&at).await;
    for prefix in ["", "uploads/a", "uploads/a/", "uploads/a-b/0000", "uploads/q/", "tmp/", "/"] {
        for after in ["", "uploads/a-", "uploads/a/5", "uploads/zz", "vv"].map(|text| BlobName::listed(text.to_owned()))
        {
            let expected: Vec<_> =
                all.iter().filter(|name| name.as_str().starts_with(prefix) && **name > after).cloned().collect();
            assert_eq!(names(&at, prefix, Some(&after), 1000).await, expected, "{prefix} after {after}");
        }
    }
}

#[tokio::test]
async fn ages_follow_the_port_clock() {
    let at = fixture();
    at.put(&blob("u", 1, 0), "x").await.unwrap();
    at.clock.advance(Duration::from_secs(90));
    at.put(&blob("u", 1, 1), "y").await.unwrap();
    let ages: Vec<_> = at.blobs.list("uploads/", None, 9).await.unwrap().into_iter().map(|(_, age)| age).collect();
    assert_eq!(ages, [Duration::from_secs(90), Duration::ZERO]);
}
