//! R25, R27, R28 and R29 over the whole engine.

use std::sync::{Arc, Mutex};

use engine::ports::Method;
use engine::{Blocked, Reason, State};
use serde_json::json;

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer, with_headers};

/// Refuses the first uploads, and accepts afterwards.
fn refuses(times: usize, reason: &'static str, seconds: &'static str) -> impl FnMut(&Seen) -> Option<Reply> + Send {
    let mut left = times;
    move |seen| {
        if !seen.is(Method::Post, "/v2/sync/upload") {
            return None;
        }
        if left == 0 {
            return Some(accepted(JOB));
        }
        left -= 1;
        Some(with_headers(429, &[("x-rate-limit-reason", reason), ("retry-after", seconds)], json!({})))
    }
}

#[test]
fn r25_cooldown_is_told_to_observers_and_survives_a_restart() {
    let mut bench = Bench::new(refuses(1, "rate_limit", "600"));
    bench.run(1);
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let observer = bench.engine().observe_cooldown(move |cooldown| {
        list.lock().unwrap().push(cooldown.map(|cooldown| cooldown.reason));
    });
    bench.record("a", 10);
    bench.run(10);
    assert_eq!(told.lock().unwrap().last(), Some(&Some(Reason::RateLimit)));
    let until = bench.engine().status().unwrap().cooldown.unwrap().cooldown.until;
    drop(observer);
    bench.stop(true);
    bench.start();
    let status = bench.engine().status().unwrap();
    assert_eq!(status.cooldown.unwrap().cooldown.until, until);
    assert_eq!(status.blocked, Some(Blocked::Cooldown { reason: Reason::RateLimit, until }));
    assert!(!told.lock().unwrap().contains(&None), "nobody is told after the observer is dropped");
}

#[test]
fn r28_no_path_uploads_during_a_cooldown_and_its_end_wakes_the_coordinator() {
    let mut bench = Bench::new(refuses(1, "backend_busy", "300"));
    bench.record("a", 10);
    bench.run(5);
    let refused_at = bench.uploads()[0].at;
    for _ in 0..20 {
        bench.record("b", 10);
        bench.engine().retry_all().unwrap();
        bench.engine().foreground();
        bench.engine().push_received(None).unwrap();
        bench.set_conditions(|conditions| conditions.online = false);
        bench.set_conditions(|conditions| conditions.online = true);
        bench.run(10);
    }
    assert_eq!(bench.uploads().len(), 1);
    assert!(
        bench.chunks().iter().all(|chunk| chunk.transfer.state == State::Pending && chunk.transfer.retry_count == 0)
    );
    bench.run(200);
    let waited = (bench.uploads()[1].at - refused_at).as_secs();
    assert!((300..303).contains(&waited), "{waited}");
    assert!(bench.states().iter().all(|state| *state == State::Uploaded));
    assert_eq!(bench.engine().status().unwrap().cooldown, None);
}

#[test]
fn r28_set_clock_neither_ends_nor_prolongs_a_cooldown() {
    for by in [-365 * 86_400_000_i64, 365 * 86_400_000] {
        let mut bench = Bench::new(refuses(1, "rate_limit", "600"));
        bench.record("a", 10);
        bench.run(60);
        let refused_at = bench.uploads()[0].at;
        bench.clock.set_by(by);
        bench.run(1_000);
        let waited = (bench.uploads()[1].at - refused_at).as_secs();
        assert!((600..605).contains(&waited), "{by}: {waited}");
    }
}

#[test]
fn r28_cooldown_ends_on_time_though_the_device_slept() {
    let mut bench = Bench::new(refuses(1, "rate_limit", "600"));
    bench.record("a", 10);
    bench.run(60);
    let refused_at = bench.uploads()[0].at;
    bench.suspend(500);
    bench.run(60);
    assert_eq!((bench.uploads()[1].at - refused_at).as_secs(), 600);
}

#[test]
fn r29_fair_use_that_ran_out_is_checked_once_before_the_next_upload() {
    let mut looks = 0;
    let mut refuse = refuses(1, "fair_use", "600");
    let script = move |seen: &Seen| {
        if !seen.is(Method::Get, "/v2/limits") {
            return refuse(seen);
        }
        looks += 1;
        // At the first look after the cooldown, the cap is still reached.
        let used = if looks == 2 { 10 } else { 0 };
        Some(answer(
            200,
            json!({"stage": "restricted", "restricted_until": null,
            "windows": [{"hours": 24, "used_ms": used, "cap_ms": 10}],
            "upload": {"max_file_bytes": 1000, "max_batch_bytes": 1000, "max_files": 5, "resumable_max_file_bytes": 1000}}),
        ))
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(700);
    assert_eq!((bench.uploads().len(), bench.to(Method::Get, "/v2/limits").len()), (1, 2));
    assert_eq!(bench.engine().status().unwrap().cooldown.unwrap().cooldown.reason, Reason::FairUse);
    bench.run(1_800);
    assert_eq!((bench.uploads().len(), bench.to(Method::Get, "/v2/limits").len()), (2, 3));
    assert_eq!(bench.states(), [State::Uploaded]);
}

#[test]
fn r29_refused_status_request_delays_status_requests_only() {
    let script = |seen: &Seen| match seen.method {
        Method::Post => Some(accepted(JOB)),
        _ if seen.path.contains("/jobs/") => Some(with_headers(429, &[("retry-after", "600")], json!({}))),
        _ => None,
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(60);
    let asked = |bench: &Bench| bench.seen().iter().filter(|seen| seen.path.contains("/jobs/")).count();
    assert_eq!(asked(&bench), 1);
    bench.record("b", 10);
    bench.run(60);
    assert_eq!((bench.states(), asked(&bench)), (vec![State::Uploaded, State::Uploaded], 1));
    bench.run(600);
    assert_eq!(asked(&bench), 2);
}
