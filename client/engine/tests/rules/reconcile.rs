//! R11, R24, R30 to R32 and R39: what became of jobs.

use engine::State;
use engine::ports::{HttpError, Method};
use serde_json::json;

use crate::harness::{Bench, JOB, Reply, Seen, accepted, answer, job, names_in, server_that_ends};

fn status_path() -> String {
    format!("/v2/sync/jobs/{JOB}")
}

fn accept(seen: &Seen) -> Option<Reply> {
    seen.is(Method::Post, "/v2/sync/upload").then(|| accepted(JOB))
}

fn polls(bench: &Bench) -> Vec<u64> {
    let first = bench.uploads()[0].at;
    bench.to(Method::Get, &status_path()).iter().map(|seen| (seen.at - first).as_secs()).collect()
}

#[test]
fn r08_partly_decoded_file_is_kept_and_shown() {
    let kept =
        json!({"status": "done", "code": "partly_decoded", "blame": "content", "retryable": false, "detail": "d"});
    let mut bench = Bench::new(server_that_ends("partial_failure", kept));
    bench.record("a", 10);
    bench.run(60);
    assert_eq!(bench.states(), [State::Kept]);
    let page = bench.engine().list(Some(State::Kept), None, 10).unwrap();
    assert!(matches!(&page[0].1, engine::Shown::Kept { error: Some(error) } if error.code == "partly_decoded"));
}

#[test]
fn r11_handled_job_is_not_told_again_and_is_forgotten_after_thirty_days() {
    let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    bench.record("a", 10);
    bench.run(60);
    let told = bench.engine().completed().unwrap().remove(0);
    assert!(bench.engine().acknowledge(told.job_id, told.completed_at).unwrap());
    assert!(!bench.engine().acknowledge(told.job_id, told.completed_at).unwrap(), "once");
    // The same recordings again: the server answers with the same job.
    let id = bench.chunks()[0].id;
    bench.engine().retry(id).unwrap();
    bench.engine().push_received(Some(told.job_id)).unwrap();
    bench.run(120);
    assert_eq!(bench.engine().completed().unwrap(), []);
    assert!(bench.engine().is_handled(told.job_id, told.completed_at).unwrap());
    bench.run(29 * 86_400);
    assert!(bench.engine().is_handled(told.job_id, told.completed_at).unwrap());
    bench.run(2 * 86_400);
    assert!(!bench.engine().is_handled(told.job_id, told.completed_at).unwrap());
}

#[test]
fn r11_set_clock_forgets_no_handled_job_too_early() {
    for by in [60 * 86_400_000, -60 * 86_400_000_i64] {
        let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
        bench.record("a", 10);
        bench.run(60);
        let told = bench.engine().completed().unwrap().remove(0);
        bench.engine().acknowledge(told.job_id, told.completed_at).unwrap();
        bench.clock.set_by(by);
        bench.run(29 * 86_400);
        assert!(bench.engine().is_handled(told.job_id, told.completed_at).unwrap(), "{by}");
        bench.run(2 * 86_400);
        assert!(!bench.engine().is_handled(told.job_id, told.completed_at).unwrap(), "{by}");
    }
}

/// A job that was not acknowledged is told for as long as that takes.
#[test]
fn r11_job_that_was_not_handled_is_never_forgotten() {
    let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    bench.record("a", 10);
    bench.run(90 * 86_400);
    let told = bench.engine().completed().unwrap();
    assert_eq!(told.len(), 1);
    assert!(!bench.engine().is_handled(told[0].job_id, told[0].completed_at).unwrap());
}

#[test]
fn r24_server_is_asked_to_retry_before_the_file_is_uploaded_again() {
    let (mut names, mut retries, mut done) = (Vec::new(), 0, false);
    let script = move |seen: &Seen| {
        if seen.is(Method::Post, "/v2/sync/upload") {
            names = names_in(seen);
            return Some(accepted(JOB));
        }
        if seen.is(Method::Post, &format!("/v2/sync/jobs/{JOB}/retry")) {
            retries += 1;
            done = retries == 2;
            return Some(answer(202, json!({"job_id": JOB, "status": "queued", "files": []})));
        }
        let failed = json!([{"name": names.first(), "status": "failed", "code": "transcription_failed", "blame": "service",
            "retryable": true}]);
        let whole = json!([{"name": names.first(), "status": "done"}]);
        seen.is(Method::Get, &status_path()).then(|| match done {
            true => job("completed", whole),
            false => job("failed", failed),
        })
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(300);
    assert_eq!(bench.states(), [State::Synced]);
    assert_eq!((bench.uploads().len(), bench.to(Method::Post, &format!("/v2/sync/jobs/{JOB}/retry")).len()), (1, 2));
    let row = &bench.chunks()[0].transfer;
    assert_eq!((row.service_retries, row.retry_count), (2, 0));
}

#[test]
fn r24_after_409_only_files_that_are_not_done_are_uploaded_again() {
    let (mut names, mut uploads) = (Vec::new(), Vec::new());
    let script = move |seen: &Seen| {
        if seen.is(Method::Post, "/v2/sync/upload") {
            names = names_in(seen);
            uploads.push(names.len());
            return Some(accepted(JOB));
        }
        if seen.path.ends_with("/retry") {
            return Some(answer(409, json!({"code": "not_retryable"})));
        }
        let view = |(index, name): (usize, &String)| match index == 0 && uploads.len() == 1 {
            true => {
                json!({"name": name, "status": "failed", "code": "internal", "blame": "service", "retryable": true})
            }
            false => json!({"name": name, "status": "done"}),
        };
        let files: Vec<_> = names.iter().enumerate().map(view).collect();
        seen.is(Method::Get, &status_path()).then(|| job("partial_failure", json!(files)))
    };
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("a", 10);
    bench.record("a", 10);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(300);
    assert_eq!(bench.uploads().iter().map(Seen::files).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(bench.states(), [State::Synced, State::Synced]);
}

/// Whatever a server has against a retry: it is asked once, and then the file is uploaded again.
#[test]
fn r24_refused_retry_is_asked_for_once_whatever_the_refusal() {
    for status in [400, 405, 409, 410, 422] {
        let (mut names, mut uploads) = (Vec::new(), 0);
        let script = move |seen: &Seen| {
            if seen.is(Method::Post, "/v2/sync/upload") {
                (names, uploads) = (names_in(seen), uploads + 1);
                return Some(accepted(JOB));
            }
            if seen.path.ends_with("/retry") {
                return Some(answer(status, json!({"code": "no"})));
            }
            let failed = json!({"name": names.first(), "status": "failed", "code": "internal", "blame": "service",
                "retryable": true});
            let whole = json!({"name": names.first(), "status": "done"});
            let view = if uploads == 1 { failed } else { whole };
            seen.is(Method::Get, &status_path()).then(|| job("failed", json!([view])))
        };
        let mut bench = Bench::new(script);
        bench.record("a", 10);
        bench.run(3_600);
        let retries = bench.to(Method::Post, &format!("{}/retry", status_path())).len();
        assert_eq!((retries, bench.states()), (1, vec![State::Synced]), "{status}");
    }
}

/// A server that forgets every job costs no retry, and does not make the device upload without a pause.
#[test]
fn r24_lost_jobs_spend_no_retry_and_are_repeated_less_and_less_often() {
    let script = |seen: &Seen| match seen.is(Method::Get, &status_path()) {
        true => Some(answer(404, json!({"code": "job_not_found"}))),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(86_400);
    let row = &bench.chunks()[0].transfer;
    assert_eq!((row.service_retries, row.retry_count), (0, 0));
    let uploads = bench.uploads().len();
    assert!((20..70).contains(&uploads), "{uploads} in a day");
}

#[test]
fn r30_polls_come_less_often_until_there_is_progress_or_a_push() {
    let processing = || job("processing", json!([]));
    let script = move |seen: &Seen| {
        if seen.is(Method::Get, &status_path()) { Some(processing()) } else { accept(seen) }
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(300);
    // The first answer is progress: the job was queued.
    assert_eq!(polls(&bench), [20, 40, 60, 90, 135, 195]);
    bench.engine().push_received(None).unwrap();
    bench.run(30);
    let after: Vec<_> = polls(&bench).into_iter().skip(6).collect();
    assert_eq!((after[0] / 10, after[1] - after[0]), (30, 20), "{after:?}");
}

#[test]
fn r30_at_most_three_status_requests_run_at_once() {
    let mut jobs = 0;
    let script = move |seen: &Seen| {
        if seen.is(Method::Post, "/v2/sync/upload") {
            jobs += 1;
            return Some(accepted(&format!("6f0c0000-0000-4000-8000-{jobs:012}")));
        }
        seen.path.contains("/jobs/").then_some(Reply::Hang)
    };
    let mut bench = Bench::new(script);
    for session in ["a", "b", "c", "d", "e"] {
        bench.record(session, 10);
        bench.run(1);
    }
    bench.engine().push_received(None).unwrap();
    bench.run(1);
    assert_eq!(bench.seen().iter().filter(|seen| seen.path.contains("/jobs/")).count(), 3);
}

#[test]
fn r31_job_that_is_lost_is_uploaded_again_and_nothing_is_counted() {
    let mut polled = 0;
    let script = move |seen: &Seen| {
        if !seen.is(Method::Get, &status_path()) {
            return accept(seen);
        }
        polled += 1;
        Some(match polled {
            1 => answer(500, json!({})),
            2 => Reply::Fail(HttpError::Timeout),
            3 => answer(200, json!("<html>")),
            4 => answer(
                200,
                json!({"job_id": "6f0c0000-0000-4000-8000-0000000000ff", "status": "completed", "files": []}),
            ),
            5 => answer(404, json!({"code": "job_not_found"})),
            _ => job("completed", json!([])),
        })
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(170);
    assert_eq!((bench.states(), bench.uploads().len()), (vec![State::Uploaded], 1), "unchanged");
    bench.run(700);
    assert!(bench.uploads().len() >= 2);
    assert_eq!(bench.chunks()[0].transfer.retry_count, 0);
}

#[test]
fn r31_cancelled_job_leaves_done_files_synced_and_holds_the_others() {
    let mut names = Vec::new();
    let script = move |seen: &Seen| {
        if seen.is(Method::Post, "/v2/sync/upload") {
            names = names_in(seen);
        }
        let view = |(index, name): (usize, &String)| json!({"name": name, "status": if index == 0 { "done" } else { "queued" }});
        let files: Vec<_> = names.iter().enumerate().map(view).collect();
        if seen.is(Method::Get, &status_path()) { Some(job("cancelled", json!(files))) } else { accept(seen) }
    };
    let mut bench = Bench::new(script);
    bench.set_conditions(|conditions| conditions.online = false);
    bench.record("a", 10);
    bench.record("a", 10);
    bench.set_conditions(|conditions| conditions.online = true);
    bench.run(3_600);
    assert_eq!(bench.states(), [State::Held, State::Synced]);
    assert_eq!(bench.uploads().len(), 1);
}

#[test]
fn r31_job_of_somebody_else_waits_for_other_credentials() {
    let script = |seen: &Seen| match seen.is(Method::Get, &status_path()) {
        true => Some(answer(403, json!({"code": "not_your_job"}))),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(3_600);
    assert_eq!((polls(&bench).len(), bench.states()), (1, vec![State::Uploaded]));
    bench.engine().credentials_changed().unwrap();
    bench.run(1);
    assert_eq!(polls(&bench).len(), 2);
}

#[test]
fn r32_push_and_app_open_only_ask_and_never_confirm() {
    let script = |seen: &Seen| match seen.is(Method::Get, &status_path()) {
        true => Some(job("processing", json!([]))),
        false => accept(seen),
    };
    let mut bench = Bench::new(script);
    bench.record("a", 10);
    bench.run(1);
    for _ in 0..3 {
        bench.engine().push_received(Some(JOB.parse().unwrap())).unwrap();
        bench.engine().foreground();
        bench.run(1);
    }
    assert_eq!(polls(&bench).len(), 6, "each of them asks at once");
    assert_eq!(bench.states(), [State::Uploaded]);
    assert_eq!(bench.engine().completed().unwrap(), []);
}

#[test]
fn r39_result_is_told_until_it_is_acknowledged_over_restarts() {
    let mut bench = Bench::new(server_that_ends("completed", json!({"status": "done"})));
    bench.record("a", 10);
    bench.run(60);
    for _ in 0..2 {
        let told = bench.engine().completed().unwrap();
        let [one] = &told[..] else { panic!("{told:?}") };
        assert_eq!(
            (one.job_id.to_string(), one.status.as_str(), one.new_conversation_ids.len()),
            (JOB.to_owned(), "completed", 1)
        );
        assert_eq!(one.files[0].state, State::Synced);
        bench.stop(true);
        bench.start();
        bench.run(60);
    }
    let one = bench.engine().completed().unwrap().remove(0);
    bench.engine().acknowledge(one.job_id, one.completed_at).unwrap();
    bench.restart();
    assert_eq!(bench.engine().completed().unwrap(), []);
}
