//! R34 and R40: two accounts on one device, and push tokens.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use engine::domain::Uid;
use engine::ports::{Method, NoToken};
use engine::{Error, State};
use serde_json::json;

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer};

fn uid(name: &str) -> Uid {
    Uid::new(name).unwrap()
}

#[test]
fn r34_what_was_started_for_one_account_never_touches_the_next_one() {
    let script = |seen: &Seen| seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB));
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    // The upload is on its way when anna signs out.
    bench.run_for(std::time::Duration::from_millis(15));
    assert_eq!(bench.uploads().len(), 1);
    drop(bench.engine().sign_out().unwrap());
    bench.engine().sign_in(uid("ben")).unwrap();
    bench.run(600);
    assert_eq!(bench.states(), [], "ben sees nothing of anna's");
    assert!(
        bench
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") != Some("Bearer token-of-ben") || !seen.path.contains("upload")),
        "nothing of anna's is sent for ben"
    );
    assert_eq!(bench.uploads().len(), 1);
    drop(bench.engine().sign_out().unwrap());
    bench.engine().sign_in(uid("anna")).unwrap();
    bench.run(600);
    assert_eq!(bench.states(), [State::Uploaded], "anna's audio stayed on the device");
}

#[test]
fn r34_cooldown_belongs_to_its_account() {
    let script = |seen: &Seen| match (seen.method, seen.header("authorization")) {
        (Method::Post, Some("Bearer token-of-anna")) => Some(answer(429, json!({}))),
        (Method::Post, _) => Some(accepted(JOB)),
        _ => None,
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(10);
    assert!(bench.engine().cooldown().is_some());
    drop(bench.engine().sign_out().unwrap());
    bench.engine().sign_in(uid("ben")).unwrap();
    bench.record("b", 10);
    bench.run(10);
    assert_eq!((bench.engine().cooldown(), bench.states()), (None, vec![State::Uploaded]));
    bench.engine().sign_in(uid("anna")).unwrap();
    assert!(bench.engine().cooldown().is_some());
}

#[test]
fn r34_nobody_signed_in_sees_and_sends_nothing() {
    let mut bench = Bench::signed_out(|_| None);
    assert!(matches!(bench.engine().list(None, None, 1), Err(Error::SignedOut)));
    bench.run(3_600);
    assert_eq!(bench.seen().len(), 0);
}

#[test]
fn r40_push_token_is_registered_when_it_changes_and_removed_at_sign_out() {
    let path = "/v2/devices/my%20phone";
    let script = |seen: &Seen| seen.path.starts_with("/v2/devices").then(|| Reply::Answer(no_content()));
    let mut bench = Bench::new(script);
    for token in ["one", "one", "two"] {
        bench.engine().set_push_token("my phone", token, "android").unwrap();
        bench.run(5);
        bench.restart();
        bench.run(5);
    }
    let sent: Vec<_> = bench.to(Method::Put, path).iter().map(Seen::text).collect();
    assert_eq!(sent, [r#"{"push_token":"one","platform":"android"}"#, r#"{"push_token":"two","platform":"android"}"#]);
    let mut leaving = pin!(bench.engine().sign_out().unwrap());
    bench.run(1);
    assert!(leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    let [removal] = &bench.to(Method::Delete, path)[..] else { panic!() };
    assert_eq!(removal.header("authorization"), Some("Bearer token-of-anna"));
}

fn no_content() -> engine::ports::Answer {
    engine::ports::Answer { status: 204, ..Default::default() }
}

#[test]
fn r40_removal_that_was_not_possible_is_done_at_the_next_sign_in() {
    let path = "/v2/devices/phone";
    let mut works = [true, false].into_iter();
    let script = move |seen: &Seen| {
        seen.path.starts_with("/v2/devices").then(|| match works.next().unwrap_or(true) {
            true => Reply::Answer(no_content()),
            false => Reply::Hang,
        })
    };
    let mut bench = Bench::new(script);
    bench.engine().set_push_token("phone", "token", "ios").unwrap();
    bench.run(5);
    let mut leaving = pin!(bench.engine().sign_out().unwrap());
    bench.run(11);
    assert!(leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "it waits ten seconds");
    bench.environment.tokens.lock().unwrap().insert("ben".to_owned(), Err(NoToken::Later));
    bench.engine().sign_in(uid("ben")).unwrap();
    bench.run(60);
    assert_eq!(bench.to(Method::Delete, path).len(), 1);
    bench.engine().sign_in(uid("anna")).unwrap();
    bench.run(60);
    let removals = bench.to(Method::Delete, path);
    assert!(removals.len() == 2 && removals[1].header("authorization") == Some("Bearer token-of-anna"));
}

/// What a step of anna's found out, while ben signed in on another thread, says nothing about ben.
#[test]
fn r34_late_findings_of_one_account_do_not_block_the_next_one() {
    let answers = [
        || Reply::Fail(engine::ports::HttpError::Timeout),
        || answer(500, json!({})),
        || answer(401, json!({})),
        || answer(403, json!({})),
        || answer(429, json!({})),
    ];
    for (late, numbers) in answers.into_iter().flat_map(|late| (0..6).map(move |numbers| (late, numbers))) {
        let script = move |seen: &Seen| match seen.header("authorization") {
            Some("Bearer token-of-anna") if seen.method == Method::Post => Some(late()),
            _ => seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB)),
        };
        let mut bench = Bench::new(script);
        let engine = bench.engine();
        bench.run(1);
        // Between two steps of what anna's upload does, up to the moment at which it tells what it found out.
        bench.meanwhile(numbers, move || engine.sign_in(uid("ben")).unwrap());
        bench.record("a", 10);
        bench.run_for(std::time::Duration::from_millis(100));
        if bench.engine().signed_in() != Some(uid("ben")) {
            bench.engine().sign_in(uid("ben")).unwrap();
        }
        bench.record("b", 10);
        bench.run(2);
        let blocked = bench.engine().status().unwrap().blocked;
        assert_eq!((bench.states(), blocked), (vec![State::Uploaded], None), "{numbers}");
    }
}

#[test]
fn r34_limits_of_one_account_are_not_those_of_the_next_one() {
    let script = |seen: &Seen| {
        let is_ben = seen.header("authorization") == Some("Bearer token-of-ben");
        if seen.is(Method::Get, "/v2/limits") {
            let files = if is_ben { 1 } else { 5 };
            return Some(answer(
                200,
                json!({"upload": {"max_file_bytes": 1000, "max_batch_bytes": 1000, "max_files": files,
                "resumable_max_file_bytes": 1000}}),
            ));
        }
        seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
    };
    let mut bench = Bench::new(script);
    for account in ["anna", "ben"] {
        bench.engine().sign_in(uid(account)).unwrap();
        bench.set_conditions(|conditions| conditions.online = false);
        bench.record("a", 10);
        bench.record("a", 10);
        bench.set_conditions(|conditions| conditions.online = true);
        bench.run(2);
    }
    assert_eq!(bench.uploads().iter().map(Seen::files).collect::<Vec<_>>(), [2, 1, 1]);
}

#[test]
fn r40_sign_in_without_a_sign_out_removes_the_token_of_the_account_before() {
    let path = "/v2/devices/phone";
    let script = |seen: &Seen| seen.path.starts_with("/v2/devices").then(|| Reply::Answer(no_content()));
    let mut bench = Bench::new(script);
    bench.engine().set_push_token("phone", "token", "android").unwrap();
    bench.run(5);
    bench.engine().sign_in(uid("ben")).unwrap();
    bench.run(5);
    let [removal] = &bench.to(Method::Delete, path)[..] else { panic!("{:?}", bench.seen()) };
    assert_eq!(removal.header("authorization"), Some("Bearer token-of-anna"));
    bench.engine().set_push_token("phone", "token", "android").unwrap();
    bench.run(5);
    let registered = bench.to(Method::Put, path);
    assert_eq!(registered.last().unwrap().header("authorization"), Some("Bearer token-of-ben"));
}

/// A recorder that anna opened goes on after ben signed in: what it records is anna's, whatever ben asks for.
#[test]
fn r34_recorder_of_one_account_records_nothing_for_the_next_one() {
    let script = |seen: &Seen| seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB));
    let mut bench = Bench::new(script);
    let mut recorder = bench.recorder("a");
    bench.feed(&mut recorder, 10);
    bench.engine().sign_in(uid("ben")).unwrap();
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    bench.feed(&mut recorder, 10);
    recorder.finalize().unwrap();
    bench.run(600);
    assert_eq!((bench.states(), bench.engine().status().unwrap().queue, bench.uploads().len()), (vec![], 0, 0));
    bench.engine().sign_in(uid("anna")).unwrap();
    bench.run(2);
    let frames: Vec<_> = bench.chunks().iter().map(|chunk| (chunk.frames, chunk.transfer.state)).collect();
    assert_eq!(frames, [(20, State::Uploaded), (10, State::Uploaded)]);
}

/// Whoever knows the numbers of anna's recordings and jobs learns and changes nothing as ben.
#[test]
fn r34_numbers_of_another_account_lead_nowhere() {
    let file = json!({"status": "done"});
    let mut bench = Bench::new(crate::harness::server_that_ends("completed", file));
    bench.record("a", 10);
    bench.run(300);
    let (id, told) = (bench.chunks()[0].id, bench.engine().completed().unwrap().remove(0));
    bench.engine().sign_in(uid("ben")).unwrap();
    let ben = bench.engine();
    assert!(ben.recording(id).unwrap().is_none());
    assert!(!ben.retry(id).unwrap());
    assert_eq!(ben.retry_all().unwrap(), 0);
    assert_eq!(ben.completed().unwrap(), []);
    assert!(!ben.acknowledge(told.job_id, told.completed_at).unwrap());
    assert!(!ben.is_handled(told.job_id, told.completed_at).unwrap());
    assert_eq!(ben.stamp("a", "6f0c0000-0000-4000-8000-0000000000cc".parse().unwrap()).unwrap(), 0);
    let before = bench.seen().len();
    ben.push_received(Some(told.job_id)).unwrap();
    bench.run(60);
    let asked = bench.seen().split_off(before);
    assert!(!asked.iter().any(|seen| seen.path.contains(JOB)), "{asked:?}");
    bench.engine().sign_in(uid("anna")).unwrap();
    assert_eq!((bench.states(), bench.engine().completed().unwrap().len()), (vec![State::Synced], 1));
}

/// The network is away when the app learns its token, and when the account leaves.
#[test]
fn r40_token_waits_for_the_network_at_both_ends() {
    let path = "/v2/devices/phone";
    let script = |seen: &Seen| seen.path.starts_with("/v2/devices").then(|| Reply::Answer(no_content()));
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.engine().set_push_token("phone", "token", "ios").unwrap();
    bench.run(60);
    bench.restart();
    bench.run(60);
    assert_eq!(bench.to(Method::Put, path).len(), 0);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(2);
    assert_eq!(bench.to(Method::Put, path).len(), 1);
    // A token that was never told to the server is taken back all the same: an answer may have been lost.
    bench.engine().set_push_token("phone", "newer", "ios").unwrap();
    drop(bench.engine().sign_out().unwrap());
    bench.run(12);
    let last = bench.seen().pop().unwrap();
    assert!(last.is(Method::Delete, path), "{last:?}");
    bench.engine().sign_in(uid("anna")).unwrap();
    bench.run(60);
    assert_eq!(bench.to(Method::Delete, path).len(), 1, "it is removed once");
}
