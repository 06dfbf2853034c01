//! Each end of a job, and what a shipped client makes of it.

use domain::accept::{Batch, Decision, Known, StagedFile, decide};
use domain::plan::Counts;
use domain::transition::Context;
use domain::{FileStatus, Rules, Sha256Hex, Timestamp, Uid};
use serde_json::{Value, json};

use super::*;

/// What the paragraph "what shipped clients do" says of an answer to a poll.
#[derive(Debug, PartialEq)]
enum Does {
    Asks,
    Deletes,
    UploadsAgainCounted,
    UploadsAgain,
    GivesUp,
}

fn does(body: &Value) -> Does {
    let reason = body["reason_code"].as_str();
    let died = body["error"].as_str().is_some_and(|error| error.contains("background worker likely died"));
    match body["status"].as_str().unwrap() {
        "completed" => Does::Deletes,
        "failed" if reason == Some("sync_invalid_audio") => Does::GivesUp,
        "failed" if reason.is_none() && died => Does::UploadsAgain,
        "failed" | "partial_failure" => Does::UploadsAgainCounted,
        "queued" | "processing" => Does::Asks,
        other => panic!("a status that shipped clients do not know: {other}"),
    }
}

fn job(files: &[Option<Failure>], status: Status) -> Job {
    let names: Vec<_> = (0..files.len()).map(|n| format!("audio_x_pcm16_16000_1_fs160_18000000{n:02}.bin")).collect();
    let staged = |name: &String| StagedFile {
        name: name.clone(),
        blob: "uploads/u/j/0-x".into(),
        size: 1,
        sha256: Sha256Hex([1; 32]),
        crc32c: 1,
        stream: domain::name::parse(name).unwrap().stream,
        captured_at: None,
        silent: None,
    };
    let batch = Batch {
        job_id: "6f0c0000-0000-4000-8000-000000000001".parse().unwrap(),
        uid: Uid::new("u").unwrap(),
        files: names.iter().map(staged).collect(),
        conversation_id: None,
        language: None,
        traceparent: None,
    };
    let (rules, recordings) = (Rules::default(), vec![None; files.len()]);
    let ctx = Context { now: Timestamp::from_secs(1_800_000_000), rules: &rules, slot_free: true };
    let known = Known { recordings, ..Known::default() };
    let Decision::Create { mut job, .. } = decide(&batch, known, ctx) else { panic!("not created") };
    for (file, failure) in job.files.iter_mut().zip(files) {
        file.counts = Counts { segments: 2, placed: if failure.is_none() { 2 } else { 0 }, empty: 0, placed_ms: 0 };
        file.status = FileStatus::Done;
        if let Some(failure) = failure {
            file.fail(failure.clone());
        }
    }
    job.status = status;
    job.error = files.iter().flatten().next().cloned();
    job
}

fn told(files: &[Option<Failure>], status: Status) -> Value {
    serde_json::to_value(ShippedJob::of(&job(files, status))).unwrap()
}

fn of(code: Code) -> Option<Failure> {
    Some(Failure::because(code, "what happened"))
}

#[test]
fn only_a_completed_job_lets_them_delete() {
    for status in Status::ALL {
        let body = told(&[of(Code::TranscriptionRefused)], status);
        assert_eq!(does(&body) == Does::Deletes, status == Status::Completed, "{body}");
    }
    for live in [Status::Uploading, Status::Queued, Status::Processing] {
        assert_eq!(does(&told(&[None], live)), Does::Asks, "{live:?}");
    }
    assert_eq!(told(&[None], Status::Uploading)["status"], "queued");
}

/// Every code that a file can end with, alone and beside a file that is done.
#[test]
fn what_is_our_fault_is_never_counted_and_what_is_not_always_is() {
    for code in Code::ALL {
        for (files, status) in [(vec![of(*code)], Status::Failed), (vec![None, of(*code)], Status::PartialFailure)] {
            let body = told(&files, status);
            let wanted = match (code.blame(), code, status) {
                (Blame::Service, ..) => Does::UploadsAgain,
                (_, Code::InvalidAudio, Status::Failed) => Does::GivesUp,
                _ => Does::UploadsAgainCounted,
            };
            assert_eq!(does(&body), wanted, "{code}: {body}");
            assert!(body["error"].as_str().unwrap().ends_with("what happened"), "{body}");
            assert_eq!(body["retry_after"].is_u64(), code.blame() == Blame::Service, "{body}");
        }
    }
}

#[test]
fn a_fault_of_ours_beside_one_of_the_content_is_ours_until_it_is_mended() {
    let both = [of(Code::InvalidAudio), of(Code::WorkerLost)];
    assert_eq!(does(&told(&both, Status::Failed)), Does::UploadsAgain);
    assert_eq!(does(&told(&[None, both[0].clone(), both[1].clone()], Status::PartialFailure)), Does::UploadsAgain);
}

#[test]
fn a_batch_is_given_up_only_if_nothing_in_it_is_audio() {
    assert_eq!(does(&told(&[of(Code::InvalidAudio), of(Code::InvalidAudio)], Status::Failed)), Does::GivesUp);
    let mixed = told(&[of(Code::InvalidAudio), of(Code::TranscriptionRefused)], Status::Failed);
    assert_eq!((does(&mixed), &mixed["reason_code"]), (Does::UploadsAgainCounted, &json!("transcription_refused")));
    let limited = told(&[Some(Failure::of(Code::WaitedTooLong).blamed_on(Blame::Limit))], Status::Failed);
    assert_eq!((does(&limited), &limited["reason_code"]), (Does::UploadsAgainCounted, &json!("waited_too_long")));
}

#[test]
fn a_cancelled_job_appears_as_failed_and_is_not_uploaded_for_ever() {
    let body = told(&[None], Status::Cancelled);
    assert_eq!((&body["status"], does(&body)), (&json!("failed"), Does::UploadsAgainCounted));
}

#[test]
fn sentences_name_how_much_failed_and_why_first() {
    let error = |files: &[_], status| told(files, status)["error"].as_str().unwrap().to_owned();
    let refused = of(Code::TranscriptionRefused);
    let all = error(&[refused.clone(), refused.clone()], Status::Failed);
    assert_eq!(all, "All 4 segments failed. First error: what happened");
    let part = error(&[None, refused], Status::PartialFailure);
    assert_eq!(part, "1 of 2 files failed. First error: what happened");
    let ours = error(&[of(Code::WorkerLost)], Status::Failed);
    assert_eq!(ours, "All 2 segments failed. First error: background worker likely died: what happened");
}

#[test]
fn at_most_ten_errors_are_listed() {
    let job = job(&vec![of(Code::InvalidAudio); 20], Status::PartialFailure);
    let body = serde_json::to_value(PartMemories::of(&job)).unwrap();
    assert_eq!(body["errors"].as_array().unwrap().len(), 10);
    assert_eq!(body["errors"][0], "audio_x_pcm16_16000_1_fs160_1800000000.bin: what happened");
    assert_eq!(body["total_segments"], 40);
}

#[test]
fn a_recording_that_was_decoded_in_part_is_kept_and_sent_again_a_counted_time() {
    let mut job = job(&[None, None], Status::PartialFailure);
    job.files[0].failure = of(Code::PartlyDecoded);
    let body = serde_json::to_value(ShippedJob::of(&job)).unwrap();
    assert_eq!((does(&body), &body["status"]), (Does::UploadsAgainCounted, &json!("partial_failure")));
    assert_eq!(body["reason_code"], "partly_decoded");
    assert_eq!(ShippedAccepted::of(&job).status, Status::PartialFailure, "and so it is told at once where it is known");
}
