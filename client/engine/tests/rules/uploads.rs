//! R16 to R22: batches, routes, answers, and what counts.

use std::sync::{Arc, Mutex};

use engine::State;
use engine::ports::{HttpError, Method};
use serde_json::{Value, json};

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer, limits, names_in, server_that_ends, with_headers};

fn accept(seen: &Seen) -> Option<Reply> {
    seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
}

/// A device with recordings of these sessions, offline; then the network is back.
fn pending(sessions: &[&str], script: impl FnMut(&Seen) -> Option<Reply> + Send + 'static) -> Bench {
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    for session in sessions {
        bench.record(session, 10);
    }
    bench.set_conditions(|conditions| conditions.online = true);
    bench
}

#[test]
fn r16_batches_are_of_one_session_and_the_newest_go_first() {
    let mut bench = pending(&["a", "a", "b", "a", "b", "a", "a", "a", "a"], accept);
    let names: Vec<_> = bench.chunks().into_iter().map(|chunk| chunk.name).collect();
    bench.run(5);
    let sent: Vec<_> = bench.uploads().iter().map(names_in).collect();
    let named = |indexes: &[usize]| indexes.iter().map(|index| names[*index].clone()).collect::<Vec<_>>();
    assert_eq!(sent, [named(&[8, 7, 6, 5, 3]), named(&[4, 2]), named(&[1, 0])]);
}

#[test]
fn r16_batch_stays_within_the_limits_that_the_server_tells() {
    let script = |seen: &Seen| match seen.is(Method::Get, "/v2/limits") {
        true => Some(answer(
            200,
            json!({"upload": {"max_file_bytes": 1000, "max_batch_bytes": 170, "max_files": 20,
            "resumable_max_file_bytes": 100_000}}),
        )),
        false => accept(seen),
    };
    let mut bench = pending(&["a"; 5], script);
    bench.run(5);
    assert_eq!(bench.uploads().iter().map(Seen::files).collect::<Vec<_>>(), [2, 2, 1]);
}

/// A server of upload sessions that loses what a test wants.
fn sessions(
    content: &Arc<Mutex<Vec<u8>>>,
    mut put: impl FnMut(usize) -> Option<Reply> + Send + 'static,
) -> impl FnMut(&Seen) -> Option<Reply> + Send + 'static {
    let content = Arc::clone(content);
    let mut puts = 0;
    move |seen| {
        let mut content = content.lock().unwrap();
        if seen.is(Method::Post, "/v2/sync/uploads") {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            let file = &body["files"][0];
            assert_eq!(file["crc32c"].as_str().unwrap().len(), 8);
            let file =
                json!({"name": file["name"], "status": "uploading", "upload_url": "/bytes/1", "offset": content.len()});
            return Some(answer(201, json!({"job_id": JOB, "status": "uploading", "files": [file]})));
        }
        if seen.is(Method::Put, "/bytes/1") {
            puts += 1;
            let range = seen.header("content-range").unwrap().trim_start_matches("bytes ").to_owned();
            let size: usize = range.split('/').nth(1).unwrap().parse().unwrap();
            if let Some((first, _)) = range.split_once('-') {
                let first: usize = first.parse().unwrap();
                assert!(first <= content.len());
                content.truncate(first);
                content.extend_from_slice(&seen.body);
            }
            if let Some(reply) = put(puts) {
                return Some(reply);
            }
            if content.len() == size {
                return Some(answer(200, json!({})));
            }
            let have = format!("bytes=0-{}", content.len().saturating_sub(1));
            let headers = if content.is_empty() { vec![] } else { vec![("Range", have.as_str())] };
            return Some(with_headers(308, &headers, json!({})));
        }
        seen.is(Method::Post, &format!("/v2/sync/uploads/{JOB}/complete")).then(|| accepted(JOB))
    }
}

fn large(bench: &mut Bench) -> Vec<u8> {
    let content: Vec<u8> = (0..5_u32 << 18).flat_map(u32::to_le_bytes).collect();
    bench.write("/home/anna/long_1748300000.wav", &content);
    bench.engine().add_file(std::path::Path::new("/home/anna/long_1748300000.wav"), Default::default()).unwrap();
    content
}

#[test]
fn r17_large_file_goes_on_from_the_offset_of_the_server_after_cuts_and_a_kill() {
    let content = Arc::default();
    let cuts = |n: usize| (n == 2 || n == 4).then(|| Reply::Fail(HttpError::Broken("cut".to_owned())));
    let mut bench = Bench::new(sessions(&content, cuts));
    let whole = large(&mut bench);
    bench.run_for(std::time::Duration::from_millis(55));
    bench.restart();
    bench.run(120);
    assert_eq!(bench.states(), [State::Uploaded]);
    assert_eq!(*content.lock().unwrap(), whole);
    let puts = bench.to(Method::Put, "/bytes/1");
    let sent: usize = puts.iter().map(|put| put.body.len()).sum();
    assert!(sent <= whole.len() + (1 << 20), "{sent} of {}", whole.len());
    assert!(puts.iter().all(|put| put.header("authorization").is_none()), "the address is the credential");
    assert_eq!(bench.uploads().len(), 0);
}

#[test]
fn r17_file_goes_by_a_session_after_a_failed_attempt() {
    let content = Arc::default();
    let mut by_session = sessions(&content, |_| None);
    let script = move |seen: &Seen| match seen.is(Method::Post, "/v2/sync/upload") {
        true => Some(answer(500, json!({}))),
        false => by_session(seen),
    };
    let mut bench = pending(&["a"], script);
    bench.run(30);
    assert_eq!((bench.uploads().len(), bench.states()), (1, vec![State::Uploaded]));
}

#[test]
fn r17_token_follows_no_redirect_and_goes_to_no_other_origin() {
    let script = |seen: &Seen| {
        if seen.is(Method::Post, "/v2/sync/uploads") {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            let file =
                json!({"name": body["files"][0]["name"], "upload_url": "https://storage.example/1", "offset": 0});
            return Some(answer(201, json!({"job_id": JOB, "files": [file]})));
        }
        let elsewhere = [("location", "https://elsewhere.example/")];
        (!seen.path.contains("limits")).then(|| with_headers(307, &elsewhere, json!({})))
    };
    let mut bench = Bench::new(script);
    large(&mut bench);
    bench.record("a", 10);
    bench.run(600);
    for seen in bench.seen() {
        assert!(!seen.path.contains("elsewhere"), "{}", seen.path);
        assert!(seen.path.starts_with('/') || seen.header("authorization").is_none(), "{}", seen.path);
    }
    assert!(bench.seen().iter().any(|seen| seen.path == "https://storage.example/1"));
    assert!(bench.chunks().iter().all(|chunk| chunk.transfer.retry_count == 0));
}

#[test]
fn r18_gate_asks_anew_before_every_batch() {
    let mut uploads = 0;
    let script = move |seen: &Seen| {
        if !seen.is(Method::Post, "/v2/sync/upload") {
            return None;
        }
        uploads += 1;
        Some(match uploads {
            1 => accepted(JOB),
            _ => with_headers(429, &[("retry-after", "600")], json!({})),
        })
    };
    let mut bench = pending(&["a", "b", "c", "d"], script);
    bench.run(60);
    assert_eq!(bench.uploads().len(), 2, "nothing is sent after the refusal, though the pass goes on");
    for session in ["e", "f"] {
        bench.record(session, 10);
        bench.engine().retry_all().unwrap();
        bench.run(1);
    }
    assert_eq!(bench.uploads().len(), 2);
}

/// Batches and sessions alike, whoever wakes the engine, and however often.
#[test]
fn r18_one_transfer_at_a_time_on_every_route() {
    let content = Arc::new(Mutex::new(Vec::new()));
    let mut by_session = sessions(&content, |_| None);
    let script = move |seen: &Seen| accept(seen).or_else(|| by_session(seen));
    let mut bench = pending(&["a", "b", "c"], script);
    bench.write("/home/anna/long_1748300000.wav", &vec![1; 5 << 20]);
    bench.engine().add_file(std::path::Path::new("/home/anna/long_1748300000.wav"), Default::default()).unwrap();
    for _ in 0..200 {
        bench.engine().retry_all().unwrap();
        bench.engine().foreground();
        bench.engine().push_received(None).unwrap();
        bench.run_for(std::time::Duration::from_millis(3));
    }
    bench.run(5);
    assert_eq!(bench.states(), vec![State::Uploaded; 4]);
    assert_eq!(*bench.environment.transfers.lock().unwrap(), (0, 1));
}

#[test]
fn r18_parallel_callers_lead_to_one_upload_at_a_time() {
    let mut bench = pending(&["a"; 12], accept);
    for _ in 0..20 {
        bench.engine().retry_all().unwrap();
        bench.engine().foreground();
        bench.run_for(std::time::Duration::from_millis(3));
    }
    bench.run(5);
    let uploads = bench.uploads();
    assert_eq!(uploads.iter().map(Seen::files).sum::<usize>(), 12, "no file twice");
    // An answer takes 10 ms: the next request comes after it.
    assert!(uploads.windows(2).all(|two| (two[1].at - two[0].at).as_millis() >= 10));
}

#[test]
fn r19_files_that_are_not_named_go_again_at_once_without_the_named_one() {
    let script = move |seen: &Seen| {
        if !seen.is(Method::Post, "/v2/sync/upload") {
            return None;
        }
        let names = names_in(seen);
        let bad = names.iter().find(|name| name.contains("48300001")).cloned();
        Some(match bad {
            None => accepted(JOB),
            Some(name) => answer(
                400,
                json!({"code": "invalid_filename",
                "errors": [{"file": name, "code": "invalid_filename", "detail": "no"}]}),
            ),
        })
    };
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    for n in 0..3 {
        let path = format!("/home/anna/x_174830000{n}.wav");
        bench.write(&path, b"sound");
        bench.engine().add_file(std::path::Path::new(&path), Default::default()).unwrap();
    }
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(2);
    assert_eq!(bench.uploads().iter().map(Seen::files).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(bench.states(), [State::Uploaded, State::Rejected, State::Uploaded]);
}

#[test]
fn r20_one_bad_file_does_not_keep_its_neighbours() {
    // The service fails on every request with the third file, and names nobody.
    let poison = Arc::new(Mutex::new(String::new()));
    let name = Arc::clone(&poison);
    let script = move |seen: &Seen| {
        let poison = name.lock().unwrap().clone();
        if seen.is(Method::Post, "/v2/sync/upload") || seen.is(Method::Post, "/v2/sync/uploads") {
            if seen.text().contains(&poison) {
                return Some(answer(500, json!({})));
            }
            if seen.is(Method::Post, "/v2/sync/uploads") {
                let body: Value = serde_json::from_slice(&seen.body).unwrap();
                let known = |file: &Value| json!({"name": file["name"], "status": "done", "upload_url": null});
                let files: Vec<_> = body["files"].as_array().unwrap().iter().map(known).collect();
                return Some(answer(201, json!({"job_id": JOB, "files": files})));
            }
            return Some(accepted(JOB));
        }
        seen.path.ends_with("/complete").then(|| accepted(JOB))
    };
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    for _ in 0..5 {
        bench.record("a", 10);
    }
    *poison.lock().unwrap() = bench.chunks()[2].name.clone();
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(600);
    let expected = [State::Uploaded, State::Uploaded, State::Pending, State::Uploaded, State::Uploaded];
    assert_eq!(bench.states(), expected);
    assert!(bench.chunks().iter().all(|chunk| chunk.transfer.retry_count == 0));
}

#[test]
fn r21_lost_202_is_harmless() {
    let mut requests = 0;
    let mut ends = server_that_ends("completed", json!({"status": "done"}));
    let script = move |seen: &Seen| {
        let reply = ends(seen);
        if seen.path.starts_with("/v2/sync/upload") && seen.method == Method::Post {
            requests += 1;
            if requests == 1 {
                return Some(Reply::Fail(HttpError::Broken("lost".to_owned())));
            }
            return Some(accepted(JOB));
        }
        reply
    };
    let mut bench = pending(&["a"], script);
    bench.run(300);
    assert_eq!(bench.states(), [State::Synced]);
    assert_eq!(bench.chunks()[0].transfer.retry_count, 0);
}

#[test]
fn r22_outage_of_twenty_minutes_counts_nothing_and_needs_nobody() {
    let clock = Arc::new(Mutex::new(None::<simulator::Virtual>));
    let time = Arc::clone(&clock);
    let mut n = 0;
    let mut ends = server_that_ends("completed", json!({"status": "done"}));
    let script = move |seen: &Seen| {
        let now = time.lock().unwrap().as_ref().map_or(0, |clock: &simulator::Virtual| clock.elapsed().as_secs());
        if now < 1_200 {
            n += 1;
            return Some(match n % 4 {
                0 => answer(500, json!({})),
                1 => answer(502, json!("<html>")),
                2 => answer(504, json!({})),
                _ => Reply::Fail(HttpError::Connect("refused".to_owned())),
            });
        }
        if seen.is(Method::Post, "/v2/sync/uploads") {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            let known = |file: &Value| json!({"name": file["name"], "status": "done", "upload_url": null});
            let files: Vec<_> = body["files"].as_array().unwrap().iter().map(known).collect();
            // The bytes go another way here: the names are what the job needs.
            let names: String =
                files.iter().map(|file| format!("filename=\"{}\" ", file["name"].as_str().unwrap())).collect();
            let upload = Seen { path: "/v2/sync/upload".to_owned(), body: names.into_bytes(), ..seen.clone() };
            ends(&upload);
            return Some(answer(201, json!({"job_id": JOB, "files": files})));
        }
        if seen.path.ends_with("/complete") {
            return Some(accepted(JOB));
        }
        ends(seen)
    };
    let mut bench = pending(&["a"; 60], script);
    *clock.lock().unwrap() = Some(bench.clock.clone());
    bench.run(1_200);
    assert!(bench.states().iter().all(|state| *state == State::Pending));
    bench.run(3_600);
    assert!(bench.states().iter().all(|state| *state == State::Synced), "{:?}", bench.states());
    assert!(bench.chunks().iter().all(|chunk| chunk.transfer.retry_count == 0));
}

#[test]
fn r22_refused_token_is_renewed_once_and_then_waits_for_credentials() {
    let script = |seen: &Seen| match seen.header("authorization") {
        Some("Bearer good") => {
            if seen.path == "/v2/limits" {
                Some(limits())
            } else {
                accept(seen)
            }
        }
        _ => Some(answer(401, json!({"code": "unauthenticated"}))),
    };
    let mut bench = pending(&["a"], script);
    bench.run(3_600);
    assert_eq!(bench.seen().len(), 2, "the request and its replay: {:?}", bench.seen());
    assert_eq!(bench.environment.refreshed.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(bench.engine().status().unwrap().blocked, Some(engine::Blocked::SignInNeeded));
    bench.environment.tokens.lock().unwrap().insert("anna".to_owned(), Ok("good".to_owned()));
    bench.engine().credentials_changed().unwrap();
    bench.run(1);
    assert_eq!(bench.states(), [State::Uploaded]);
    assert_eq!(bench.chunks()[0].transfer.retry_count, 0);
}

/// A server that was set up wrongly: nothing that waits is rejected because of it.
#[test]
fn r16_limit_of_zero_rejects_nothing() {
    let script = |seen: &Seen| match seen.is(Method::Get, "/v2/limits") {
        true => Some(answer(
            200,
            json!({"upload": {"max_file_bytes": 0, "max_batch_bytes": 0, "max_files": 0, "resumable_max_file_bytes": 0}}),
        )),
        false => accept(seen),
    };
    let mut bench = pending(&["a", "a"], script);
    bench.run(5);
    assert_eq!(bench.states(), [State::Uploaded, State::Uploaded]);
}
