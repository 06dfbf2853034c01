//! R33, R35 and R42: passes, cancel, and the settings of transfers.

use std::time::Duration;

use engine::ports::Method;
use engine::{Blocked, Settings, State};
use serde_json::json;

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer};

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
