use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Timestamp;

use super::*;
use crate::chunk::{Chunk, LastError, State, Transfer};
use crate::testing::{chunk, uid};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn open(path: &Path) -> Result<Index> {
    Index::open(path, Box::new(|| Ok(())))
}

fn memory() -> Index {
    open(Path::new(":memory:")).unwrap()
}

#[test]
fn r07_row_is_read_back_as_it_was_written() {
    let mut index = memory();
    let transfer = Transfer {
        state: State::Uploaded,
        retry_count: 1,
        service_retries: 2,
        attempts: 3,
        next_attempt_at: Some(NOW),
        last_error: Some(LastError::new("digest_mismatch", Some(domain::Blame::Content), "d")),
        job_id: Some("6f0c0000-0000-4000-8000-000000000001".parse().unwrap()),
        uploaded_at: Some(NOW),
        confirmed_at: Some(NOW),
        batch_limit: Some(2),
        was_missing: true,
        resumable: true,
        losses: 4,
    };
    let conversation_id = Some("6f0c0000-0000-4000-8000-0000000000cc".parse().unwrap());
    let wanted = Chunk { conversation_id, transfer, ..chunk(1) };
    let id = index.insert(&wanted).unwrap();
    assert_eq!(index.chunk(id).unwrap(), Some(Chunk { id, ..wanted }));
}

#[test]
fn r07_index_is_in_wal_mode_with_full_synchronisation() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder.path().join("index.db")).unwrap();
    let pragma = |name: &str| index.connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
    assert_eq!(pragma("journal_mode").unwrap(), "wal");
    let full: i64 = index.connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
    assert_eq!(full, 2);
}

#[test]
fn r07_index_of_a_newer_version_and_other_files_are_refused_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    drop(open(&path).unwrap());
    open(&path).unwrap().connection.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    let error = open(&path).err().unwrap();
    assert!(matches!(error, IndexError::Newer { .. }) && error.to_string().contains("update the program"), "{error}");
    assert!(matches!(Index::open_to_read(&path).err(), Some(IndexError::Newer { .. })));

    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(matches!(open(&foreign).err(), Some(IndexError::Foreign { .. })));
    let garbage = folder.path().join("garbage.db");
    std::fs::write(&garbage, vec![7; 8192]).unwrap();
    let error = open(&garbage).err().unwrap();
    assert!(matches!(error, IndexError::Damaged { .. }) && error.to_string().contains("rebuild"), "{error}");
}

#[test]
fn r07_damage_in_the_middle_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    let mut index = open(&path).unwrap();
    let chunks: Vec<_> = (0..2_000).map(chunk).collect();
    index.insert_all(&chunks).unwrap();
    drop(index);
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    for page in (4096 * 3..length).step_by(4096) {
        bytes[page..page + 512].fill(0xFF);
    }
    std::fs::write(&path, &bytes).unwrap();
    let read = open(&path).and_then(|index| index.list(&uid("anna"), None, None, 10_000));
    assert!(matches!(read.err(), Some(IndexError::Damaged { .. })));
}

#[test]
fn refused_commit_changes_nothing() {
    let mut index =
        Index::open(Path::new(":memory:"), Box::new(|| Err(std::io::ErrorKind::StorageFull.into()))).unwrap();
    assert!(matches!(index.insert(&chunk(1)).err(), Some(IndexError::Disk { .. })));
    assert_eq!(index.list(&uid("anna"), None, None, 9).unwrap(), []);
    assert_eq!(index.commits(), 0);
}

#[test]
fn r34_rows_of_another_account_are_neither_read_nor_changed() {
    let mut index = memory();
    let id = index.insert(&chunk(1)).unwrap();
    let ben = uid("ben");
    let synced = Transfer { state: State::Synced, ..Transfer::pending() };
    index.save(&ben, &[(id, synced)]).unwrap();
    assert_eq!(index.chunk(id).unwrap().unwrap().transfer.state, State::Pending);
    assert_eq!(index.list(&ben, None, None, 9).unwrap(), []);
    assert_eq!(index.next_batch(&ben, NOW, NOW, 9).unwrap(), []);
    assert_eq!(index.stamp(&ben, "s", "6f0c0000-0000-4000-8000-0000000000cc".parse().unwrap()).unwrap(), 0);
    assert_eq!(index.reset(&ben, Some(id)).unwrap(), 0);
    assert_eq!(index.sums(&ben).unwrap(), []);
}

#[test]
fn r37_sums_follow_every_change() {
    let mut index = memory();
    let anna = uid("anna");
    let ids: Vec<_> = (1..=3).map(|id| index.insert(&chunk(id)).unwrap()).collect();
    let sum = |count, bytes| Sum { count, duration_ms: 60_000 * count, bytes };
    assert_eq!(index.sums(&anna).unwrap(), [(State::Pending, sum(3, 300))]);
    index.save(&anna, &[(ids[0], Transfer { state: State::Synced, ..Transfer::pending() })]).unwrap();
    index.discard(ids[1]).unwrap();
    index.rehashed(ids[2], 50, domain::Sha256Hex([1; 32]), 1).unwrap();
    assert_eq!(index.sums(&anna).unwrap(), [(State::Pending, sum(1, 50)), (State::Synced, sum(1, 100))]);
}

#[test]
fn r23_exhausted_rows_are_not_due_and_only_the_user_rearms_content() {
    let mut index = memory();
    let anna = uid("anna");
    let exhausted =
        |blame| Transfer { retry_count: 3, last_error: Some(LastError::new("x", blame, "")), ..Transfer::pending() };
    let ours = index.insert(&Chunk { transfer: exhausted(Some(domain::Blame::Content)), ..chunk(1) }).unwrap();
    let other = index.insert(&Chunk { transfer: exhausted(None), ..chunk(2) }).unwrap();
    assert_eq!((index.upload_due(&anna, NOW).unwrap(), index.next_batch(&anna, NOW, NOW, 9).unwrap()), (None, vec![]));
    assert_eq!(index.rearm(&anna).unwrap(), 1);
    let due: Vec<_> = index.next_batch(&anna, NOW, NOW, 9).unwrap().iter().map(|chunk| chunk.id).collect();
    assert_eq!(due, [other]);
    assert_eq!(index.reset(&anna, Some(ours)).unwrap(), 1);
    assert_eq!(index.next_batch(&anna, NOW, NOW, 9).unwrap().len(), 2);
}

#[test]
fn times_that_a_wrong_clock_wrote_are_due_now() {
    let mut index = memory();
    let anna = uid("anna");
    let year = Duration::from_secs(365 * 86_400);
    let late = Transfer { next_attempt_at: Some(NOW + year), ..Transfer::pending() };
    index.insert(&Chunk { transfer: late, ..chunk(1) }).unwrap();
    assert_eq!(index.next_batch(&anna, NOW, NOW, 9).unwrap(), []);
    index.correct_times(NOW, NOW + Duration::from_secs(25 * 3600)).unwrap();
    assert_eq!(index.next_batch(&anna, NOW, NOW, 9).unwrap().len(), 1);
}

#[test]
fn r02_recording_that_is_over_cannot_be_finished_again() {
    let mut index = memory();
    let recording = Transfer { state: State::Recording, ..Transfer::pending() };
    let id = index.insert(&Chunk { transfer: recording, ..chunk(1) }).unwrap();
    let sha256 = domain::Sha256Hex([1; 32]);
    let finished = Finished { frames: 1, synced_prefix: 0, duration_ms: 10, bytes: 5, sha256, crc32c: 1 };
    index.finish(id, &finished).unwrap();
    for gone in [id, crate::chunk::ChunkId(99)] {
        let error = index.finish(gone, &Finished { frames: 2, ..finished }).err().unwrap();
        assert!(matches!(error, IndexError::NotRecording { .. }), "{error}");
    }
    assert_eq!(index.chunk(id).unwrap().unwrap().frames, 1);
}

#[test]
fn r07_index_of_the_version_before_is_brought_up_to_date_with_all_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    let mut index = open(&path).unwrap();
    let id = index.insert(&chunk(1)).unwrap();
    index.connection.execute_batch("ALTER TABLE chunk DROP COLUMN losses; PRAGMA user_version = 1;").unwrap();
    drop(index);
    let older = Index::open_to_read(&path).err().unwrap();
    assert!(matches!(older, IndexError::Older { found: 1, .. }), "{older}");
    assert_eq!(open(&path).unwrap().chunk(id).unwrap(), Some(Chunk { id, ..chunk(1) }));
    assert!(Index::open_to_read(&path).is_ok());
}

/// The operations of the virtual machine of SQLite that this work takes.
fn steps<T>(index: &mut Index, work: impl FnOnce(&Index) -> Result<T>) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&count);
    let handler = move || {
        counts.fetch_add(1, Ordering::Relaxed);
        false
    };
    index.connection.progress_handler(1, Some(handler)).unwrap();
    work(index).unwrap();
    index.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    count.load(Ordering::Relaxed)
}

/// An index with so many pending chunks, and as many that are synced, uploaded in a job each, and recorded.
fn with_rows(rows: i64) -> Index {
    let mut index = memory();
    let state = |state, job: Option<String>| {
        let job_id = job.map(|id| id.parse().unwrap());
        Transfer { state, job_id, confirmed_at: Some(NOW), ..Transfer::pending() }
    };
    let mut chunks = Vec::new();
    for n in 0..rows {
        let session = format!("session-{}", n / 10);
        let of = |transfer| Chunk { session: session.clone(), transfer, ..chunk(n) };
        let id = format!("6f0c0000-0000-4000-8000-{n:012}");
        let states =
            [(State::Pending, None), (State::Synced, None), (State::Uploaded, Some(id)), (State::Recording, None)];
        chunks.extend(states.map(|(one, job)| of(state(one, job))));
    }
    index.insert_all(&chunks).unwrap();
    for n in 0..rows {
        let job = JobRow {
            job_id: format!("6f0c0000-0000-4000-8000-{n:012}").parse().unwrap(),
            owner: uid("anna"),
            step: 0,
            next_poll_at: Some(NOW),
            is_retry: false,
            status: "queued".to_owned(),
            processed: 0,
            total: 0,
        };
        index.put_job(&job).unwrap();
    }
    index
}

/// What a pass, a status and a list ask for is found by an index of the database, not by a look at every row.
#[test]
fn r07_no_question_takes_longer_because_there_are_more_rows() {
    let (mut few, mut many, anna) = (with_rows(60), with_rows(1_500), uid("anna"));
    let job = "6f0c0000-0000-4000-8000-000000000007".parse().unwrap();
    let sha256 = domain::Sha256Hex([9; 32]);
    let first = crate::chunk::ChunkId(0);
    type Question<'q> = Box<dyn Fn(&Index) -> Result<()> + 'q>;
    let questions: Vec<(&str, Question<'_>)> = vec![
        ("next batch", Box::new(|index| index.next_batch(&anna, NOW, NOW, 20).map(drop))),
        ("upload due", Box::new(|index| index.upload_due(&anna, NOW).map(drop))),
        ("due jobs", Box::new(|index| index.due_jobs(&anna, NOW, 30).map(drop))),
        ("poll due", Box::new(|index| index.poll_due(&anna).map(drop))),
        ("chunks of a job", Box::new(|index| index.chunks_of(&anna, job).map(drop))),
        ("sums", Box::new(|index| index.sums(&anna).map(drop))),
        ("oldest pending", Box::new(|index| index.oldest_pending(&anna).map(drop))),
        ("list", Box::new(|index| index.list(&anna, None, None, 50).map(drop))),
        ("list of a state", Box::new(|index| index.list(&anna, Some(State::Synced), None, 50).map(drop))),
        ("deletable", Box::new(|index| index.deletable(NOW, 50).map(drop))),
        ("unfinished", Box::new(|index| index.unfinished(first, 50).map(drop))),
        ("known file", Box::new(|index| index.known_file(&anna, "nothing.wav", sha256).map(drop))),
        ("is empty", Box::new(|index| index.is_empty().map(drop))),
    ];
    for (name, ask) in questions {
        let (of_few, of_many) = (steps(&mut few, &ask), steps(&mut many, &ask));
        assert!(of_few > 0 && of_many <= of_few + of_few / 4, "{name}: {of_few} steps, and {of_many} with more rows");
    }
}
