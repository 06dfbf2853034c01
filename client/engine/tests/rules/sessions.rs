//! R13 to R15: conversations of sessions, and recordings that were left behind.

use engine::State;
use engine::domain::ConversationId;
use engine::ports::Method;

use crate::harness::{Bench, JOB, Reply, Seen, accepted};

fn accept(seen: &Seen) -> Option<Reply> {
    seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
}

fn conversation(n: u8) -> ConversationId {
    format!("6f0c0000-0000-4000-8000-0000000000{n:02x}").parse().unwrap()
}

fn offline() -> Bench {
    let bench = Bench::new(accept);
    bench.set_conditions(|conditions| conditions.online = false);
    bench
}

#[test]
fn r13_stamp_marks_what_has_no_conversation_and_never_stamps_again() {
    let mut bench = offline();
    bench.record("walk", 10);
    bench.record("talk", 10);
    let mut recorder = bench.recorder("walk");
    bench.feed(&mut recorder, 10);
    let stamp = |n| bench.engine().stamp("walk", conversation(n)).unwrap();
    assert_eq!((stamp(1), stamp(2)), (2, 0));
    drop(recorder);
    bench.stop(true);
    bench.start();
    let stamps: Vec<_> = bench.chunks().into_iter().map(|chunk| (chunk.session, chunk.conversation_id)).collect();
    let one = Some(conversation(1));
    assert_eq!(stamps, [("walk".to_owned(), one), ("talk".to_owned(), None), ("walk".to_owned(), one)]);
}

#[test]
fn r14_upload_of_a_session_waits_for_its_conversation() {
    let mut bench = Bench::new(accept);
    let mut recorder = bench.recorder("walk");
    bench.feed(&mut recorder, 50);
    bench.engine().processing_started("walk", Some(&mut recorder)).unwrap();
    assert_eq!(bench.states(), [State::Pending], "the chunk is finalised with the event");
    bench.run(20);
    assert_eq!(bench.uploads().len(), 0);
    bench.engine().conversation_created("walk", conversation(1)).unwrap();
    bench.run(1);
    let [upload] = &bench.uploads()[..] else { panic!() };
    assert_eq!(upload.path, format!("/v2/sync/upload?conversation_id={}", conversation(1)));
}

#[test]
fn r14_without_the_event_the_upload_starts_after_thirty_seconds_once() {
    let mut bench = Bench::new(accept);
    let mut recorder = bench.recorder("walk");
    bench.feed(&mut recorder, 50);
    let began = bench.clock.elapsed();
    bench.engine().processing_started("walk", Some(&mut recorder)).unwrap();
    bench.restart();
    // The event a second time does not hold the session again.
    bench.run(15);
    bench.engine().processing_started("walk", None).unwrap();
    bench.run(60);
    let [upload] = &bench.uploads()[..] else { panic!("{:?}", bench.seen()) };
    let waited = (upload.at - began).as_secs();
    assert!((30..33).contains(&waited), "{waited}");
}

#[test]
fn r15_recordings_that_were_left_behind_are_uploaded_at_the_start_and_when_the_network_is_back() {
    let mut bench = offline();
    bench.record("a", 10);
    bench.restart();
    bench.run(60);
    assert_eq!(bench.uploads().len(), 0, "still offline");
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(1);
    assert_eq!(bench.states(), [State::Uploaded]);

    let mut bench = offline();
    bench.record("a", 10);
    bench.stop(false);
    bench.environment.conditions.lock().unwrap().online = true;
    bench.start();
    bench.run(1);
    assert_eq!(bench.states(), [State::Uploaded], "taken up at the start");
}

#[test]
fn r15_pass_that_ends_offline_arms_itself_again() {
    let mut bench = offline();
    bench.record("a", 10);
    bench.run(60);
    // The network is back, and the app forgets to say so.
    bench.environment.conditions.lock().unwrap().online = true;
    bench.run(1_900);
    assert_eq!(bench.states(), [State::Uploaded]);
}

/// The conversation is created while the upload is on its way: the index says of a recording what the server knows of it.
#[test]
fn r13_stamp_during_an_upload_is_not_believed_of_what_was_sent_without_it() {
    for is_accepted in [true, false] {
        let mut first = true;
        let script = move |seen: &Seen| {
            let is_upload = seen.path.split('?').next() == Some("/v2/sync/upload");
            let refuses = is_upload && std::mem::take(&mut first) && !is_accepted;
            is_upload.then(|| if refuses { Reply::Fail(engine::ports::HttpError::Timeout) } else { accepted(JOB) })
        };
        let mut bench = Bench::new(script);
        bench.run(1);
        bench.record("walk", 10);
        bench.run_for(std::time::Duration::from_millis(5));
        bench.engine().stamp("walk", conversation(1)).unwrap();
        bench.run(1);
        let stamped = bench.chunks()[0].conversation_id;
        assert_eq!(
            stamped,
            (!is_accepted).then(|| conversation(1)),
            "what was not accepted goes with it the next time"
        );
    }
}
