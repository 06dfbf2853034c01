//! R7 and R9: the index.

use engine::domain::Uid;
use engine::{Reader, Shown, State};

use crate::harness::{Bench, JOB, OPUS, accepted};

#[test]
fn r07_everything_that_is_known_of_a_chunk_survives_a_restart() {
    let mut bench = Bench::new(|seen| seen.path.starts_with("/v2/sync/upload").then(|| accepted(JOB)));
    bench.record("walk", 100);
    bench.run(1);
    let before = bench.chunks().pop().unwrap();
    bench.stop(true);
    bench.start();
    let after = bench.chunks().pop().unwrap();
    assert_eq!(after, before);
    assert_eq!((after.transfer.state, after.transfer.job_id.unwrap().to_string()), (State::Uploaded, JOB.to_owned()));
    assert_eq!((after.session.as_str(), after.device.as_str(), after.format), ("walk", "phone", Some(OPUS)));
    assert!(after.sha256.is_some() && after.crc32c != 0 && after.transfer.uploaded_at.is_some());
}

#[test]
fn r07_upload_is_not_reported_before_it_is_committed() {
    let mut bench = Bench::new(|seen| seen.path.starts_with("/v2/sync/upload").then(|| accepted(JOB)));
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("s", 10);
    bench.set_conditions(|conditions| conditions.online = true);
    // The disk dies while the answer is on its way: nothing of it is known afterwards.
    bench.run_for(std::time::Duration::from_millis(15));
    bench.disk.set_fuse(0);
    bench.run(1);
    bench.restart();
    assert_eq!(bench.states(), [State::Pending]);
    bench.run(30);
    assert_eq!(bench.states(), [State::Uploaded]);
}

#[test]
fn r09_engine_is_ready_when_its_index_is_loaded_and_journals_are_recovered() {
    let mut bench = Bench::new(|_| None);
    let mut recorder = bench.recorder("s");
    bench.feed(&mut recorder, 10);
    drop(recorder);
    bench.restart();
    // Without a single poll of the driver.
    assert_eq!(bench.states(), [State::Pending]);
    assert_eq!(bench.engine().signed_in().unwrap().as_str(), "anna");
}

#[test]
fn r07_rebuilt_index_has_every_recording_of_every_account_again() {
    let mut bench = Bench::new(|seen| seen.path.starts_with("/v2/sync/upload").then(|| accepted(JOB)));
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("a", 10);
    let mut recorder = bench.recorder("b");
    bench.feed(&mut recorder, 20);
    drop(recorder);
    bench.engine().sign_in(Uid::new("ben").unwrap()).unwrap();
    bench.record("c", 30);
    bench.stop(false);
    let rebuilt = bench.rebuild();
    assert_eq!((rebuilt.recordings, &rebuilt.unreadable[..]), (3, &[][..]));
    bench.start();
    bench.engine().sign_in(Uid::new("anna").unwrap()).unwrap();
    let sizes: Vec<_> = bench.chunks().iter().map(|chunk| (chunk.bytes, chunk.transfer.state)).collect();
    assert_eq!(sizes, [(80, State::Pending), (160, State::Pending)]);
    bench.run(1);
    bench.engine().sign_in(Uid::new("ben").unwrap()).unwrap();
    assert_eq!(bench.chunks()[0].bytes, 240);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(5);
    assert_eq!(bench.states(), [State::Uploaded]);
}

/// More recordings were cut off than are read at once, and none of them can be opened at the start.
#[test]
fn r09_more_than_a_thousand_journals_that_cannot_be_opened_at_the_start_keep_their_sidecars() {
    let mut bench = Bench::new(|_| None);
    bench.set_conditions(|conditions| conditions.online = false);
    let mut recorders: Vec<_> = (0..1_100).map(|_| bench.recorder("s")).collect();
    recorders.iter_mut().for_each(|recorder| recorder.record(b"frame", false).unwrap());
    drop(recorders);
    bench.stop(false);
    // The folder can be listed, and its files cannot be opened.
    bench.disk.set_sealed(true);
    bench.start();
    assert!(bench.states().iter().all(|state| *state == State::Recording));
    bench.stop(false);
    bench.disk.set_sealed(false);
    bench.start();
    let chunks = bench.chunks();
    assert_eq!(chunks.len(), 1_100, "none of them is lost");
    assert!(chunks.iter().all(|chunk| (chunk.transfer.state, chunk.frames) == (State::Pending, 1)));
}

#[test]
fn r37_reader_shows_what_the_index_knows_beside_a_running_engine() {
    let mut bench = Bench::new(|seen| seen.path.starts_with("/v2/sync/upload").then(|| accepted(JOB)));
    bench.record("a", 100);
    bench.run(1);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("a", 200);
    let reader = Reader::open(&bench.config).unwrap();
    let now = "2025-06-15T16:00:00Z".parse().unwrap();
    let status = reader.status(now).unwrap();
    assert_eq!((status.queue, status.pending_seconds, status.account.as_deref()), (1, 2.0, Some("anna")));
    let shown: Vec<_> = reader.list(None, None, 10, now).unwrap().into_iter().map(|(_, shown)| shown).collect();
    assert_eq!(shown, [Shown::Waiting { blocked: None }, Shown::Processing { done: 0, total: 0 }]);
}
