//! Each outcome of a job, and what a shipped client does with it.

use domain::accept::{Batch, Decision, Known, StagedFile, decide};
use domain::plan::Counts;
use domain::transition::Context;
use domain::{FileStatus, Rules, Sha256Hex, Timestamp, Uid};
use serde_json::{Value, json};

use super::*;

/// What a shipped client does after an answer to a poll, as the paragraph "what shipped clients do" says.
#[derive(Debug, PartialEq)]
enum ClientAction {
    PollsAgain,
    DeletesFiles,
    UploadsAgainCounted,
    UploadsAgain,
    GivesUp,
}

fn client_action(body: &Value) -> ClientAction {
    let reason = body["reason_code"].as_str();
    let died = body["error"].as_str().is_some_and(|error| error.contains("background worker likely died"));
    match body["status"].as_str().unwrap() {
        "completed" => ClientAction::DeletesFiles,
        "failed" if reason == Some("sync_invalid_audio") => ClientAction::GivesUp,
        "failed" if reason.is_none() && died => ClientAction::UploadsAgain,
        "failed" | "partial_failure" => ClientAction::UploadsAgainCounted,
        "queued" | "processing" => ClientAction::PollsAgain,
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
    let ctx = Context {
        now: Timestamp::from_secs(1_800_000_000),
        rules: &rules,
        slot_free: true,
        slot_is_provisional: false,
    };
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

fn poll_body(files: &[Option<Failure>], status: Status) -> Value {
    serde_json::to_value(ShippedJob::of(&job(files, status))).unwrap()
}

fn of(code: Code) -> Option<Failure> {
    Some(Failure::because(code, "what happened"))
}

#[test]
fn only_a_completed_job_makes_clients_delete_their_files() {
    for status in Status::ALL {
        let body = poll_body(&[of(Code::TranscriptionRefused)], status);
        assert_eq!(client_action(&body) == ClientAction::DeletesFiles, status == Status::Completed, "{body}");
    }
    for live in [Status::Uploading, Status::Queued, Status::Processing] {
        assert_eq!(client_action(&poll_body(&[None], live)), ClientAction::PollsAgain, "{live:?}");
    }
    assert_eq!(poll_body(&[None], Status::Uploading)["status"], "queued");
}

/// Every code that a file can end with, alone and together with a file that is done.
#[test]
fn service_failures_are_never_counted_and_all_others_always_are() {
    for code in Code::ALL {
        for (files, status) in [(vec![of(*code)], Status::Failed), (vec![None, of(*code)], Status::PartialFailure)] {
            let body = poll_body(&files, status);
            let wanted = match (code.blame(), code, status) {
                (Blame::Service, ..) => ClientAction::UploadsAgain,
                (_, Code::InvalidAudio, Status::Failed) => ClientAction::GivesUp,
                _ => ClientAction::UploadsAgainCounted,
            };
            assert_eq!(client_action(&body), wanted, "{code}: {body}");
            assert!(body["error"].as_str().unwrap().ends_with("what happened"), "{body}");
            assert_eq!(body["retry_after"].is_u64(), code.blame() == Blame::Service, "{body}");
        }
    }
}

#[test]
fn service_failure_takes_precedence_over_content_failure() {
    let both = [of(Code::InvalidAudio), of(Code::WorkerLost)];
    assert_eq!(client_action(&poll_body(&both, Status::Failed)), ClientAction::UploadsAgain);
    assert_eq!(
        client_action(&poll_body(&[None, both[0].clone(), both[1].clone()], Status::PartialFailure)),
        ClientAction::UploadsAgain
    );
}

#[test]
fn batch_is_given_up_only_if_all_its_files_are_invalid_audio() {
    assert_eq!(
        client_action(&poll_body(&[of(Code::InvalidAudio), of(Code::InvalidAudio)], Status::Failed)),
        ClientAction::GivesUp
    );
    let mixed = poll_body(&[of(Code::InvalidAudio), of(Code::TranscriptionRefused)], Status::Failed);
    assert_eq!(
        (client_action(&mixed), &mixed["reason_code"]),
        (ClientAction::UploadsAgainCounted, &json!("transcription_refused"))
    );
    let limited = poll_body(&[Some(Failure::of(Code::WaitedTooLong).blamed_on(Blame::Limit))], Status::Failed);
    assert_eq!(
        (client_action(&limited), &limited["reason_code"]),
        (ClientAction::UploadsAgainCounted, &json!("waited_too_long"))
    );
}

#[test]
fn cancelled_job_appears_as_failed_and_its_uploads_are_counted() {
    let body = poll_body(&[None], Status::Cancelled);
    assert_eq!((&body["status"], client_action(&body)), (&json!("failed"), ClientAction::UploadsAgainCounted));
}

#[test]
fn error_text_says_how_much_failed_and_the_first_reason() {
    let error = |files: &[_], status| poll_body(files, status)["error"].as_str().unwrap().to_owned();
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
fn partly_decoded_recording_is_kept_and_its_next_upload_counted() {
    let mut job = job(&[None, None], Status::PartialFailure);
    job.files[0].failure = of(Code::PartlyDecoded);
    let body = serde_json::to_value(ShippedJob::of(&job)).unwrap();
    assert_eq!((client_action(&body), &body["status"]), (ClientAction::UploadsAgainCounted, &json!("partial_failure")));
    assert_eq!(body["reason_code"], "partly_decoded");
    assert_eq!(ShippedAccepted::of(&job).status, Status::PartialFailure, "the answer to the upload reports it as well");
}
