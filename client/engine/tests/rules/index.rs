//! R7 and R9: the index.

use engine::State;

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
