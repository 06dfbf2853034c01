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
