//! R33, R35 and R42: passes, cancel, and the settings of transfers.

use std::time::Duration;

use engine::ports::{HttpError, Method};
use engine::{Blocked, Settings, State};
use serde_json::json;

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer, with_headers};

fn accept(seen: &Seen) -> Option<Reply> {
    seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
}

#[test]
fn r33_failing_step_does_not_stop_the_next_one() {
    let script = |seen: &Seen| match seen.path.contains("/jobs/") {
        true => Some(answer(418, json!({}))),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(15);
    bench.record("b", 10);
    bench.run(60);
    assert_eq!(bench.states(), [State::Uploaded, State::Uploaded]);
}

/// A status that always fails must not keep uploads waiting, whatever the failure is.
#[test]
fn r33_status_that_always_fails_starves_no_upload() {
    let failures: [fn() -> Option<Reply>; 4] = [
        || Some(answer(500, json!({}))),
        || Some(with_headers(503, &[("retry-after", "1700")], json!({}))),
        || Some(Reply::Fail(HttpError::Timeout)),
        || Some(Reply::Fail(HttpError::Broken("reset".to_owned()))),
    ];
    for (number, fail) in failures.into_iter().enumerate() {
        let script = move |seen: &Seen| if seen.path.contains("/jobs/") { fail() } else { accept(seen) };
        let mut bench = Bench::new(script);
        for _ in 0..20 {
            bench.record("a", 10);
            bench.run(40);
            assert!(bench.states().iter().all(|state| *state == State::Uploaded), "{number}");
        }
        let asked = bench.seen().iter().filter(|seen| seen.path.contains("/jobs/")).count();
        assert!((2..60).contains(&asked), "{number}: {asked} status requests");
    }
}

/// A command that waits for the end of jobs has to learn that the server is away, though nothing is left to upload.
#[test]
fn r37_status_says_that_the_server_is_away_if_only_jobs_are_waited_for() {
    let script = |seen: &Seen| match seen.path.contains("/jobs/") {
        true => Some(Reply::Fail(HttpError::Timeout)),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(1);
    assert_eq!(bench.engine().status().unwrap().blocked, None);
    bench.run(21);
    assert!(matches!(bench.engine().status().unwrap().blocked, Some(Blocked::Unreachable { .. })));
}

#[test]
fn r33_push_token_that_is_never_taken_starves_neither_uploads_nor_statuses() {
    let script = |seen: &Seen| match seen.path.contains("/devices/") {
        true => Some(Reply::Fail(HttpError::Timeout)),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.engine().set_push_token("phone", "token", "ios").unwrap();
    bench.run(1);
    bench.record("a", 10);
    bench.run(2);
    assert_eq!(bench.states(), [State::Uploaded]);
    bench.run(25);
    assert_eq!(bench.to(Method::Get, &format!("/v2/sync/jobs/{JOB}")).len(), 1);
}

#[test]
fn r33_upload_that_fails_stops_no_status() {
    let mut uploads = 0;
    let script = move |seen: &Seen| {
        if !seen.is(Method::Post, "/v2/sync/upload") && !seen.is(Method::Post, "/v2/sync/uploads") {
            return None;
        }
        uploads += 1;
        Some(if uploads == 1 { accepted(JOB) } else { answer(500, json!({})) })
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(1);
    let asked = |bench: &Bench| bench.to(Method::Get, &format!("/v2/sync/jobs/{JOB}")).len();
    for _ in 0..10 {
        bench.record("b", 10);
        bench.run(60);
    }
    assert!(asked(&bench) >= 5, "{} status requests in ten minutes", asked(&bench));
    assert_eq!(bench.engine().status().unwrap().queue, 10);
}

#[test]
fn r33_background_ends_timers_and_a_push_still_wakes() {
    let script = |seen: &Seen| match seen.path.contains("/jobs/") {
        true => Some(answer(200, json!({"job_id": JOB, "status": "processing", "files": []}))),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(1);
    bench.engine().background();
    bench.run(7_200);
    let polls = |bench: &Bench| bench.seen().iter().filter(|seen| seen.path.contains("/jobs/")).count();
    assert_eq!(polls(&bench), 0);
    bench.engine().push_received(None).unwrap();
    bench.run(7_200);
    assert_eq!(polls(&bench), 1);
    bench.engine().foreground();
    bench.run(30);
    assert!(polls(&bench) >= 2);
}

#[test]
fn r35_cancel_stops_inside_a_transfer_and_leaves_what_is_uploaded() {
    let mut uploads = 0;
    let script = move |seen: &Seen| {
        if !seen.is(Method::Post, "/v2/sync/upload") {
            return None;
        }
        uploads += 1;
        Some(if uploads == 2 { Reply::Hang } else { accepted(JOB) })
    };
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("a", 10);
    bench.record("b", 10);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(1);
    assert_eq!(bench.states(), [State::Pending, State::Uploaded]);
    let shown = |bench: &Bench| bench.engine().list(Some(State::Pending), None, 1).unwrap().remove(0).1;
    assert!(matches!(shown(&bench), engine::Shown::Uploading { .. }));
    bench.engine().cancel();
    bench.run(15);
    assert_eq!(shown(&bench), engine::Shown::Waiting { blocked: Some(Blocked::Cancelled) });
    assert_eq!((bench.uploads().len(), bench.states()), (2, vec![State::Pending, State::Uploaded]));
    bench.engine().retry_all().unwrap();
    bench.run(1);
    assert_eq!(bench.states(), [State::Uploaded, State::Uploaded]);
    assert!(bench.chunks().iter().all(|chunk| chunk.transfer.retry_count == 0));
}

#[test]
fn r42_settings_hold_uploads_back_and_count_nothing() {
    let off = Settings::default();
    for (settings, blocked) in [
        (Settings { paused: true, ..off }, Blocked::Paused),
        (Settings { unmetered_only: true, ..off }, Blocked::Metered),
        (Settings { charging_only: true, ..off }, Blocked::NotCharging),
    ] {
        let mut bench = Bench::new(accept);
        bench.set_conditions(|conditions| (conditions.unmetered, conditions.charging) = (false, false));
        bench.engine().set_settings(settings).unwrap();
        bench.record("a", 10);
        bench.run(3_600);
        bench.restart();
        bench.run(3_600);
        assert_eq!((bench.uploads().len(), bench.engine().status().unwrap().blocked), (0, Some(blocked)));
        assert_eq!(bench.engine().settings(), settings, "they survive a restart");
        bench.set_conditions(|conditions| (conditions.unmetered, conditions.charging) = (true, true));
        bench.run(1);
        let held = settings.paused;
        assert_eq!(bench.states(), [if held { State::Pending } else { State::Uploaded }]);
        bench.engine().set_settings(off).unwrap();
        bench.run_for(Duration::from_secs(1));
        assert_eq!(bench.states(), [State::Uploaded]);
        assert_eq!(bench.chunks()[0].transfer.retry_count, 0);
    }
}
