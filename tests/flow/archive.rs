//! An export file: whatever was changed in it, it is imported completely or not at all.

use std::io::Cursor;
use std::sync::Arc;

use domain::Uid;
use testkit::build::{T0, phone, speech, uid};
use testkit::{Harness, memory};

use flow::archive::{Error, Header, Report, Result, export, import};

async fn talk(store: &Arc<memory::Store>, users: &[&str]) {
    let harness = Harness::new(store.clone());
    for user in users {
        harness.transcribe(&uid(user), &phone(0), &[(0, 900, "good morning"), (2000, 2900, "good night")]).await;
        let job = harness.transcribe(&uid(user), &phone(9000), &[(0, 900, "a secret")]).await;
        harness.delete(&uid(user), job.new_conversation_ids[0]).await;
    }
}

async fn file_of(store: &memory::Store, only: Option<&Uid>) -> String {
    let mut out = Vec::new();
    export(store, only, &Header::new("1.2.3", T0), &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

async fn put(store: &memory::Store, only: Option<&Uid>, file: &str) -> Result<Report> {
    import(store, only, Cursor::new(file.as_bytes())).await
}

async fn two_users() -> (Arc<memory::Store>, String) {
    let store = Arc::new(memory::Store::new());
    talk(&store, &["ann", "bob"]).await;
    let file = file_of(&store, None).await;
    (store, file)
}

#[tokio::test]
async fn export_file_reads_back_unchanged() {
    let (_, file) = two_users().await;
    let other = memory::Store::new();
    let report = put(&other, None, &file).await.unwrap();
    assert!(report.is_complete());
    assert_eq!((report.tally.users, report.tally.conversations, report.tally.lines), (2, 4, 6));
    assert_eq!((report.written, report.known), (report.tally.records(), 0));
    assert_eq!(file_of(&other, None).await, file);
    let again = put(&other, None, &file).await.unwrap();
    assert_eq!((again.written, again.known, again.is_complete()), (0, report.written, true));
    assert_eq!(file_of(&other, None).await, file);
}

#[tokio::test]
async fn single_user_can_be_exported_or_imported() {
    let (store, file) = two_users().await;
    let (ann, bob) = (uid("ann"), uid("bob"));
    let other = memory::Store::new();
    assert_eq!(put(&other, Some(&bob), &file).await.unwrap().tally.users, 1);
    assert_eq!((other.all_lines(&ann).len(), other.all_lines(&bob).len()), (0, 3));
    assert_eq!(file_of(&other, None).await, file_of(&store, Some(&bob)).await);
    let nobody = uid("nobody");
    assert!(matches!(put(&other, Some(&nobody), &file).await, Err(Error::NotInFile(_))));
    let (mut out, header) = (Vec::new(), Header::new("1.2.3", T0));
    assert!(matches!(export(&*store, Some(&nobody), &header, &mut out).await, Err(Error::HasNothing(_))));
}

#[tokio::test]
async fn export_without_users_is_a_valid_file() {
    let (empty, other) = (memory::Store::new(), memory::Store::new());
    let report = put(&other, None, &file_of(&empty, None).await).await.unwrap();
    assert_eq!(report, Report::default());
}

/// The import is refused with the number of the line, and nothing was written.
async fn refused(file: &str, what: &str) -> u64 {
    let store = memory::Store::new();
    let refused = put(&store, None, file).await;
    assert!(store.all_lines(&uid("ann")).is_empty() && store.all_conversations(&uid("ann")).is_empty(), "{what}");
    match refused {
        Err(Error::Damaged { line, .. }) => line,
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn truncated_file_imports_nothing() {
    let (_, file) = two_users().await;
    let lines = file.lines().count() as u64;
    let ends = file.match_indices('\n').flat_map(|(at, _)| [at, (at + 1).min(file.len() - 1)]);
    for cut in (0..file.len()).step_by(211).chain(ends) {
        let whole_lines = file[..cut].matches('\n').count() as u64;
        assert_eq!(refused(&file[..cut], "cut").await, whole_lines + 1, "cut at {cut}");
    }
    assert_eq!(refused(&format!("{file}{{}}\n"), "more").await, lines + 1);
}

#[tokio::test]
async fn edited_file_imports_nothing() {
    let (_, file) = two_users().await;
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    let end = lines.len() as u64;
    let edited = file.replacen("good morning", "bad morning!", 1);
    assert_eq!(refused(&edited, "another word").await, end, "only the checksum reveals it");
    for (at, _) in lines.iter().enumerate() {
        let mut without = lines.clone();
        without.remove(at);
        refused(&without.concat(), &format!("without line {at}")).await;
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        refused(&twice.concat(), &format!("line {at} twice")).await;
    }
    for at in 1..lines.len() {
        let mut swapped = lines.clone();
        swapped.swap(at - 1, at);
        refused(&swapped.concat(), &format!("line {at} before the one before it")).await;
    }
    let broken = file.replacen("\"lines\"", "\"lines", 1).replacen("\"stub\":false", "\"stub\":maybe", 1);
    let line = broken.lines().position(|line| line.contains("maybe")).unwrap() as u64;
    assert_eq!(refused(&broken, "no JSON").await, line + 1);
}

#[tokio::test]
async fn file_of_another_kind_is_refused_at_its_first_line() {
    let (_, file) = two_users().await;
    let of_format = |format: u32| file.replacen("\"afterword_export\":2", &format!("\"afterword_export\":{format}"), 1);
    let (newer, none) = (of_format(3), of_format(0));
    for other in ["", "\n", "hello\n", "{}\n", "\u{0}\u{0}", &newer, &none, &"x".repeat(9 << 20)] {
        assert_eq!(refused(other, other.get(..20).unwrap_or(other)).await, 1);
    }
}

#[tokio::test]
async fn user_with_conflicting_data_is_skipped_and_others_are_imported() {
    let (_, file) = two_users().await;
    let there = Arc::new(memory::Store::new());
    Harness::new(there.clone()).transcribe(&uid("ann"), &phone(50_000), &[(0, 900, "later")]).await;
    let before = file_of(&there, Some(&uid("ann"))).await;
    let report = put(&there, None, &file).await.unwrap();
    assert_eq!(report.refused.iter().map(|(uid, _)| uid.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert!(!report.is_complete() && report.to_string().contains("user ann already has other conversations here"));
    assert_eq!(file_of(&there, Some(&uid("ann"))).await, before);
    assert_eq!((report.tally.users, there.all_lines(&uid("bob")).len()), (1, 3));
}

#[tokio::test]
async fn user_with_newer_data_is_skipped() {
    let (_, file) = two_users().await;
    let there = Arc::new(memory::Store::new());
    put(&there, None, &file).await.unwrap();
    let harness = Harness::new(there.clone());
    harness.transcribe(&uid("ann"), &phone(10), &[(0, 900, "in the midst of it")]).await;
    let before = file_of(&there, None).await;
    let report = put(&there, None, &file).await.unwrap();
    assert_eq!((report.refused.len(), report.written), (1, 0));
    assert_eq!(file_of(&there, None).await, before);
}

#[tokio::test]
async fn waiting_recording_does_not_block_an_import() {
    let (_, file) = two_users().await;
    let there = Arc::new(memory::Store::new());
    Harness::new(there.clone()).accept(&uid("ann"), &[phone(50_000)]).await;
    let report = put(&there, None, &file).await.unwrap();
    assert!(report.is_complete(), "{report}");
    assert_eq!(there.all_lines(&uid("ann")).len(), 3);
}

/// The shortest speech with the shortest pauses, up to the largest offset that can be stored: 49 days.
#[tokio::test]
async fn export_of_the_longest_recording_can_be_read() {
    let store = Arc::new(memory::Store::new());
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let spans: Vec<_> = (0..u32::MAX / 2201).map(|n| (n * 2201, n * 2201 + 200)).collect();
    harness.plan(&job, 0, speech(&spans)).await;
    let file = file_of(&store, None).await;
    println!("{} segments: {} bytes", spans.len(), file.len());
    let other = memory::Store::new();
    assert!(put(&other, None, &file).await.unwrap().is_complete());
    assert!(file_of(&other, None).await == file);
}
