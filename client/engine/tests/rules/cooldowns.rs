//! R25, R27, R28 and R29 over the whole engine.

use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::domain::Uid;
use engine::ports::Method;
use engine::{AddOptions, Blocked, Reason, State};
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

/// Each observer is told of the beginning and of the end, at its time, until it is dropped.
#[test]
fn r25_observers_are_told_of_the_beginning_and_of_the_end() {
    let mut bench = Bench::new(refuses(1, "backend_busy", "300"));
    bench.run(1);
    type Told = Arc<Mutex<Vec<(u64, Option<Reason>)>>>;
    let observe = |bench: &Bench| -> (Told, engine::Observer) {
        let (told, clock): (Told, _) = (Arc::default(), bench.clock.clone());
        let list = Arc::clone(&told);
        let tell = move |cooldown: Option<engine::Cooldown>| {
            list.lock().unwrap().push((clock.elapsed().as_secs(), cooldown.map(|cooldown| cooldown.reason)));
        };
        (told, bench.engine().observe_cooldown(tell))
    };
    let (dropped, observer) = observe(&bench);
    let (told, _observer) = observe(&bench);
    bench.record("a", 10);
    bench.run(10);
    drop(observer);
    bench.run(400);
    let changes = |told: &Told| {
        let mut told = told.lock().unwrap().clone();
        told.dedup_by_key(|(_, reason)| *reason);
        told
    };
    let (begin, end) = ((1, Some(Reason::BackendBusy)), (301, None));
    assert_eq!(changes(&told), [begin, end]);
    assert_eq!(changes(&dropped), [begin]);
}

#[test]
fn r28_no_path_uploads_during_a_cooldown_and_its_end_wakes_the_coordinator() {
    let mut bench = Bench::new(refuses(1, "backend_busy", "300"));
    bench.record("a", 10);
    bench.run(5);
    let refused_at = bench.uploads()[0].at;
    for number in 0..20 {
        bench.record("b", 10);
        // Large enough to go by a session; and one recording, of which the user asks for another try.
        bench.write("/home/anna/long_1748300000.wav", &vec![1; 5 << 20]);
        bench.engine().add_file(Path::new("/home/anna/long_1748300000.wav"), AddOptions::default()).unwrap();
        bench.engine().retry_all().unwrap();
        bench.engine().retry(bench.chunks()[0].id).unwrap();
        bench.engine().cancel();
        if number == 5 {
            bench.restart();
        }
        if number == 9 {
            drop(bench.engine().sign_out().unwrap());
            bench.engine().sign_in(Uid::new("anna").unwrap()).unwrap();
        }
        if number == 12 {
            bench.stop(true);
            bench.start();
        }
        bench.engine().foreground();
        bench.engine().push_received(None).unwrap();
        bench.set_conditions(|conditions| conditions.online = false);
        bench.set_conditions(|conditions| conditions.online = true);
        bench.run(10);
    }
    let sent = bench.seen().iter().filter(|seen| seen.method != Method::Get && !seen.path.ends_with("/retry")).count();
    assert_eq!((bench.uploads().len(), sent), (1, 1), "no batch, no session and no bytes");
    assert!(
        bench.chunks().iter().all(|chunk| chunk.transfer.state == State::Pending && chunk.transfer.retry_count == 0)
    );
    let status = bench.engine().status().unwrap();
    let left = status.cooldown.unwrap().seconds_left;
    let passed = (bench.clock.elapsed() - refused_at).as_secs();
    assert!((299..=301).contains(&(left + passed)), "{left} s are left after {passed} s");
    bench.run(200);
    let waited = (bench.uploads()[1].at - refused_at).as_secs();
    assert!((300..303).contains(&waited), "{waited}");
    let is_recorded = |chunk: &&engine::Chunk| chunk.format.is_some();
    assert!(bench.chunks().iter().filter(is_recorded).all(|chunk| chunk.transfer.state == State::Uploaded));
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
