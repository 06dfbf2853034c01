//! R10, R41 and R43: files that are not there, that are deleted, and that are the user's own.

use std::path::Path;

use engine::ports::{Disk, Method};
use engine::{AddError, AddOptions, Place, Retention, State};
use serde_json::json;

use crate::harness::{Bench, JOB, Seen, accepted, server_that_ends};

fn accept(seen: &Seen) -> Option<crate::harness::Reply> {
    seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
}

fn one_pending() -> Bench {
    let mut bench = Bench::new(accept);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("s", 10);
    bench
}

#[test]
fn r10_file_is_missing_only_after_two_passes_that_could_read_its_folder() {
    let mut bench = one_pending();
    bench.disk.hide(Some(".bin"));
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(1);
    assert_eq!(bench.states(), [State::Pending], "seen in one pass");
    bench.run(10);
    assert_eq!(bench.states(), [State::Missing]);
    bench.disk.hide(None);
    bench.engine().retry_all().unwrap();
    bench.run(2);
    assert_eq!(bench.states(), [State::Uploaded], "the user found it again");
}

#[test]
fn r10_file_that_comes_back_after_one_pass_is_uploaded() {
    let mut bench = one_pending();
    bench.disk.hide(Some(".bin"));
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(1);
    bench.disk.hide(None);
    bench.run(20);
    assert_eq!(bench.states(), [State::Uploaded]);
}

#[test]
fn r10_locked_phone_leaves_everything_pending_and_counts_nothing() {
    let mut bench = one_pending();
    bench.disk.set_locked(true);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(3_600);
    let chunk = bench.chunks().pop().unwrap();
    assert_eq!((chunk.transfer.state, chunk.transfer.retry_count), (State::Pending, 0));
    bench.disk.set_locked(false);
    bench.run(3_600);
    assert_eq!(bench.states(), [State::Uploaded]);
}

/// A stick that was pulled out delays the files on it, and nothing else.
#[test]
fn r10_folder_that_cannot_be_read_delays_only_what_is_in_it() {
    let mut bench = Bench::new(accept);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("s", 10);
    for file in ["/mnt/stick/b_1848300001.wav", "/mnt/stick/c_1848300002.wav", "/mnt/stickers/d_1848300000.wav"] {
        // Newer than everything else: they are looked for first.
        bench.write(file, b"sound");
        bench
            .engine()
            .add_file(Path::new(file), AddOptions { session: file.to_owned(), ..AddOptions::default() })
            .unwrap();
    }
    bench.disk.set_unreadable(Some("/mnt/stick"));
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(2);
    let on_stick = |chunk: &&engine::Chunk| matches!(&chunk.place, Place::Foreign(path) if path.contains("/stick/"));
    let states = |bench: &Bench| -> Vec<_> {
        let chunks = bench.chunks();
        let (waits, rest): (Vec<_>, Vec<_>) = chunks.iter().partition(on_stick);
        let state =
            |chunks: Vec<&engine::Chunk>| chunks.into_iter().map(|chunk| chunk.transfer.state).collect::<Vec<_>>();
        vec![state(waits), state(rest)]
    };
    let (pending, uploaded) = (State::Pending, State::Uploaded);
    assert_eq!(states(&bench), [[pending, pending], [uploaded, uploaded]]);
    bench.run(3_600);
    assert_eq!(states(&bench), [[pending, pending], [uploaded, uploaded]]);
    let waiting: Vec<_> = bench.chunks().into_iter().filter(|chunk| on_stick(&chunk)).collect();
    assert!(waiting.iter().all(|chunk| (chunk.transfer.retry_count, chunk.transfer.attempts) == (0, 0)));
    assert!(waiting.iter().all(|chunk| chunk.transfer.last_error.as_ref().unwrap().code == "local_read_failed"));
    bench.disk.set_unreadable(None);
    bench.engine().foreground();
    bench.run(2);
    assert_eq!(states(&bench), [[uploaded, uploaded], [uploaded, uploaded]], "the foreground looks for them at once");
}

#[test]
fn r10_journal_that_could_not_be_read_at_the_start_is_recovered_later() {
    let mut bench = Bench::new(accept);
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 10);
    drop(recorder);
    bench.stop(false);
    bench.disk.set_locked(true);
    bench.start();
    bench.run(60);
    assert_eq!(bench.states(), [State::Recording]);
    bench.disk.set_locked(false);
    bench.engine().foreground();
    bench.run(2);
    assert_eq!(bench.states(), [State::Uploaded]);
}

#[test]
fn r41_only_synced_files_are_deleted_and_only_by_the_policy() {
    for (retention, deleted_after) in
        [(Retention::Keep, None), (Retention::AtOnce, Some(1)), (Retention::Days(7), Some(8))]
    {
        let mut bench = Bench::with(
            |config| config.retention = retention,
            server_that_ends("completed", json!({"status": "done"})),
        );
        bench.engine().sign_in(engine::domain::Uid::new("anna").unwrap()).unwrap();
        bench.record("s", 10);
        let path = match &bench.chunks()[0].place {
            Place::Own(path) => Path::new(crate::harness::FOLDER).join(path),
            other => panic!("{other:?}"),
        };
        bench.run(300);
        assert_eq!(bench.states(), [State::Synced]);
        bench.run(86_400);
        let kept_a_day = bench.disk.content(&path).is_some();
        assert_eq!(kept_a_day, deleted_after.is_none_or(|days| days > 1), "{retention:?}");
        bench.run(8 * 86_400);
        assert_eq!(bench.disk.content(&path).is_some(), deleted_after.is_none(), "{retention:?}");
        assert_eq!(bench.chunks()[0].place == Place::Deleted, deleted_after.is_some());
    }
}

/// A clock that is set forward by weeks makes no file older.
#[test]
fn r41_set_clock_neither_deletes_early_nor_keeps_for_ever() {
    for by in [60 * 86_400_000, -60 * 86_400_000_i64] {
        let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
        bench.record("s", 10);
        bench.run(300);
        assert_eq!(bench.states(), [State::Synced]);
        bench.clock.set_by(by);
        bench.run(6 * 86_400);
        assert!(bench.content(&bench.chunks()[0]).is_some(), "{by}: six days after it was synced");
        bench.run(2 * 86_400);
        assert_eq!(bench.chunks()[0].place, Place::Deleted, "{by}: eight days after it was synced");
    }
}

/// The reserve is reached: only synced files go, the oldest first, and only as many as are needed.
#[test]
fn r41_oldest_synced_files_make_room_and_no_others() {
    let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    for _ in 0..3 {
        bench.record("s", 10);
        bench.run(300);
    }
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("s", 10);
    let (synced, pending) = (State::Synced, State::Pending);
    assert_eq!(bench.states(), [synced, synced, synced, pending]);
    let bytes = bench.chunks()[0].bytes;
    bench.disk.set_free(Some(bench.config.reserve_bytes - bytes - 1));
    bench.recorder("s").record(b"frame", false).unwrap();
    let deleted: Vec<_> = bench.chunks().iter().map(|chunk| chunk.place == Place::Deleted).collect();
    assert_eq!(deleted[..4], [true, true, false, false], "two files are as much as was missing");
}

#[test]
fn r41_nothing_but_synced_files_makes_room() {
    for (end, file) in [
        ("failed", json!({"status": "failed", "code": "invalid_audio", "blame": "content", "retryable": false})),
        (
            "partial_failure",
            json!({"status": "done", "code": "partly_decoded", "blame": "content", "retryable": false}),
        ),
    ] {
        let mut bench = Bench::with(|config| config.retention = Retention::AtOnce, server_that_ends(end, file));
        bench.engine().sign_in(engine::domain::Uid::new("anna").unwrap()).unwrap();
        bench.record("s", 10);
        bench.run(300);
        assert!(matches!(bench.states()[..], [State::Unreadable | State::Kept]));
        bench.disk.set_full(true);
        assert!(bench.recorder("s").record(b"frame", false).is_err());
        assert!(bench.content(&bench.chunks()[0]).is_some(), "{end}");
    }
}

#[test]
fn r43_file_of_the_user_keeps_its_name_and_gets_its_time_beside_it() {
    let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    bench.write("/home/anna/Meeting.m4a", b"sound");
    let options = AddOptions { captured_at: Some("2025-05-01T10:00:00Z".parse().unwrap()), ..AddOptions::default() };
    let added = bench.engine().add_file(Path::new("/home/anna/Meeting.m4a"), options.clone()).unwrap();
    assert!(!added.was_known);
    assert!(bench.engine().add_file(Path::new("/home/anna/Meeting.m4a"), options).unwrap().was_known);
    bench.run(300);
    let [upload] = &bench.uploads()[..] else { panic!("one upload: {:?}", bench.seen()) };
    assert!(upload.text().contains("filename=\"Meeting.m4a\""), "{}", upload.text());
    assert!(upload.text().contains("X-Captured-At: 2025-05-01T10:00:00.000Z\r\n"), "{}", upload.text());
    assert_eq!(bench.states(), [State::Synced]);
    assert!(bench.disk.content(Path::new("/home/anna/Meeting.m4a")).is_some(), "the user's file is never deleted");
}

#[test]
fn r43_file_that_was_moved_is_sent_from_its_new_place() {
    let mut bench = Bench::new(accept);
    bench.set_conditions(|conditions| conditions.online = false);
    let add = |bench: &Bench, path: &str| bench.engine().add_file(Path::new(path), AddOptions::default()).unwrap();
    bench.write("/old/talk_1748300000.wav", b"sound");
    let added = add(&bench, "/old/talk_1748300000.wav");
    engine::ports::Disk::remove(&bench.disk, Path::new("/old/talk_1748300000.wav")).unwrap();
    bench.write("/new/talk_1748300000.wav", b"sound");
    assert_eq!(add(&bench, "/new/talk_1748300000.wav"), engine::Added { id: added.id, was_known: true });
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(60);
    assert_eq!((bench.states(), bench.uploads().len()), (vec![State::Uploaded], 1));
}

#[test]
fn r43_files_that_no_server_takes_are_refused_at_once() {
    let bench = Bench::new(accept);
    bench.write("/home/anna/empty.wav", b"");
    bench.write("/home/anna/notes.txt", b"text");
    let add = |path: &str| bench.engine().add_file(Path::new(path), AddOptions::default());
    assert!(matches!(add("/home/anna/empty.wav"), Err(AddError::Empty)));
    assert!(matches!(add("/home/anna/notes.txt"), Err(AddError::Name(_))));
    assert!(matches!(add("/home/anna/nothing.wav"), Err(AddError::Read(_))));
}

#[test]
fn file_that_shrank_or_grew_is_uploaded_as_what_it_is() {
    let mut bench = Bench::new(accept);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.write("/home/anna/talk_1748300000.wav", b"first");
    bench.engine().add_file(Path::new("/home/anna/talk_1748300000.wav"), AddOptions::default()).unwrap();
    for content in [&b"longer than before"[..], b"x"] {
        bench.write("/home/anna/talk_1748300000.wav", content);
    }
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(60);
    let uploads = bench.uploads();
    assert!(uploads.iter().all(|upload| upload.text().contains("\r\n\r\nx\r\n")), "{uploads:?}");
    assert_eq!(bench.states(), [State::Uploaded]);
}

/// A program writes a large file for an hour: its size is looked at, and its bytes are read when it is whole.
#[test]
fn file_that_grows_is_read_once_it_has_kept_its_size() {
    let mut bench = Bench::new(accept);
    let path = "/home/anna/talk_1748300000.wav";
    bench.set_conditions(|conditions| conditions.online = false);
    bench.write(path, &[7; 1_000]);
    bench.engine().add_file(Path::new(path), AddOptions::default()).unwrap();
    bench.set_conditions(|conditions| conditions.online = true);
    let before = bench.disk.read_bytes();
    for size in 0..1_200_usize {
        bench.write(path, &vec![7; 2_000 + 100 * size]);
        bench.run(3);
    }
    assert_eq!(bench.disk.read_bytes() - before, 0, "nothing of it is read while it grows");
    bench.run(60);
    assert_eq!((bench.states(), bench.uploads().len()), (vec![State::Uploaded], 1));
    // Once for the digests, and once for the upload.
    let whole = 2_000 + 100 * 1_199;
    assert_eq!(bench.disk.read_bytes() - before, 2 * whole);
    assert_eq!(bench.chunks()[0].bytes, whole);
}

#[test]
fn file_that_was_moved_is_found_where_it_was_pushed_from_last() {
    for was_given_up in [false, true] {
        let mut bench = Bench::new(accept);
        let add = |bench: &Bench, path: &str| {
            bench.write(path, b"sound");
            bench.engine().add_file(Path::new(path), AddOptions::default()).unwrap()
        };
        bench.set_conditions(|conditions| conditions.online = false);
        let first = add(&bench, "/home/anna/talk_1748300000.wav");
        bench.disk.remove(Path::new("/home/anna/talk_1748300000.wav")).unwrap();
        bench.write("/home/anna/other.txt", b"the folder is still there");
        if was_given_up {
            bench.set_conditions(|conditions| conditions.online = true);
            bench.run(60);
            assert_eq!(bench.states(), [State::Missing]);
        }
        let second = add(&bench, "/home/anna/archive/talk_1748300000.wav");
        assert!((second.id, second.was_known) == (first.id, true));
        bench.set_conditions(|conditions| conditions.online = true);
        bench.run(60);
        assert_eq!(bench.states(), [State::Uploaded], "{was_given_up}");
    }
}
