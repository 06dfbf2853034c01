//! Shipped clients against the real server: what they delete is placed or silent, and faults of ours are never counted
//! against their recordings.

use std::collections::BTreeSet;

use domain::{RecordingId, Sha256Hex, Uid};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::older_client::State::{Deleted, GivenUp, Kept, TooOld};
use tests::recordings::T0;
use tests::wait::{PATIENCE, now_secs};
use tests::{OlderClient, Recording, Setup, eventually};

const MINUTE: i64 = 60;

/// Jobs end within seconds.
/// The most batches of which one is answered too late.
const BATCHES: usize = 30;

fn quick() -> Setup {
    let setup = Setup::new().with("jobs.backoff_min_seconds", 1).with("jobs.backoff_max_seconds", 1);
    setup.with("sweep.interval_seconds", 1).with("queue.min_backoff_seconds", 1)
}

fn two() -> [Recording; 2] {
    [Recording::short(T0), Recording::short(T0 + MINUTE)]
}

fn recording_id(uid: &str, recording: &Recording) -> String {
    let sha256 = Sha256Hex(Sha256::digest(&recording.bytes).into());
    RecordingId::derive(&Uid::new(uid).unwrap(), &recording.name, &sha256).to_string()
}

/// For every recording that the client deleted, its words are in a conversation, or it is proven silent; nothing is
/// stored or counted twice.
async fn assert_nothing_lost_or_duplicated(uid: &str, older: &OlderClient) {
    let client = &older.client;
    let segments = client.segments().await;
    let placed: BTreeSet<_> = segments.iter().map(|segment| segment["recording_id"].as_str().unwrap()).collect();
    let jobs = client.jobs().await;
    let files = || jobs.iter().flat_map(|job| job["files"].as_array().unwrap());
    for recording in older.deleted() {
        let silent = files().any(|file| file["name"] == recording.name.as_str() && file["status"] == "silent");
        let words = placed.contains(recording_id(uid, recording).as_str());
        assert!(words || silent, "{} was deleted and is nowhere", recording.name);
    }
    let ids: BTreeSet<_> = segments.iter().map(|segment| segment["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), segments.len(), "{segments:?}");
    assert_eq!(client.usage().await.0, segments.len() as u64);
}

#[tokio::test]
async fn a_silent_batch_is_deleted_at_once() {
    let server = Setup::new().start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::silence(T0), Recording::silence(T0 + MINUTE)]);
    older.upload().await;
    assert_eq!(older.states(), [Deleted, Deleted]);
    assert_eq!(server.log.steps("claim"), 0, "no worker was needed");
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn speech_is_kept_until_it_is_placed() {
    let server = Setup::new().start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::speech(T0), Recording::silence(T0 + MINUTE)]);
    older.upload().await;
    assert_eq!(older.states(), [Kept, Kept]);
    older.wait().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![0, 0]));
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn partial_failure_is_uploaded_again_and_only_failed_files_are_repeated() {
    let server = Setup::new().with("engine.null_fail", "refuse:2").start().await;
    let mut older = OlderClient::new(server.client(), &two());
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Kept, Kept], vec![1, 1]));
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![1, 1]));
    assert_eq!(server.client().usage().await.0, 2);
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn repeatedly_failing_file_is_given_up_after_three_retries_and_not_deleted() {
    let server = Setup::new().with("engine.null_fail", "refuse").start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::short(T0)]);
    for retries in 1..=3 {
        assert_eq!(older.states(), [Kept]);
        older.sync().await;
        assert_eq!(older.retries(), [retries]);
    }
    assert_eq!(older.states(), [GivenUp]);
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn invalid_audio_is_given_up_at_once() {
    let server = Setup::new().start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::garbage(T0)]);
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![GivenUp], vec![0]));
    older.upload().await;
    assert_eq!(server.client().jobs().await.len(), 1, "it is never sent again");
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn valid_recording_beside_an_invalid_one_is_placed_once_and_neither_is_deleted() {
    let server = Setup::new().start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::garbage(T0), Recording::short(T0 + MINUTE)]);
    for _ in 0..3 {
        older.sync().await;
    }
    assert_eq!((older.states(), older.retries()), (vec![GivenUp, GivenUp], vec![3, 3]));
    assert_eq!(server.client().usage().await.0, 1);
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn long_engine_outage_is_not_counted_and_files_complete_after_it() {
    let setup = quick();
    let down = setup.clone().with("engine.null_fail", "transient").with("jobs.max_wait_seconds", 1);
    let server = down.start().await;
    let mut older = OlderClient::new(server.client(), &two());
    older.sync().await;
    assert_eq!((older.states(), older.retries(), older.busy), (vec![Kept, Kept], vec![0, 0], 1));
    server.kill9().await;
    let server = setup.start().await;
    older.client = older.client.at(&server.url);
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![0, 0]));
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn dead_worker_is_not_counted_against_files() {
    let setup = quick().with("jobs.max_attempts", 1);
    let server = setup.clone().with("engine.null_delay_ms", 600_000).start().await;
    let mut older = OlderClient::new(server.client(), &two());
    older.upload().await;
    let job_id = older.files[0].job_id.clone().unwrap();
    server.log.wait_step("claim", &job_id).await;
    server.kill9().await;
    older.poll().await;
    assert_eq!(older.states(), [Kept, Kept], "without an answer it asks later");
    let server = setup.start().await;
    older.client = older.client.at(&server.url);
    older.wait().await;
    assert_eq!((older.states(), older.retries(), older.busy), (vec![Kept, Kept], vec![0, 0], 1));
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![0, 0]));
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn killed_server_continues_the_same_job() {
    let setup = quick();
    let server = setup.clone().with("engine.null_delay_ms", 600_000).start().await;
    let mut older = OlderClient::new(server.client(), &two());
    older.upload().await;
    let job_id = older.files[0].job_id.clone().unwrap();
    server.log.wait_step("plan", &job_id).await;
    server.kill9().await;
    let server = setup.start().await;
    older.client = older.client.at(&server.url);
    older.wait().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![0, 0]));
    assert_eq!(server.client().jobs().await.len(), 1);
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn silent_batch_is_completed_although_the_server_is_killed_before_its_answer() {
    let setup = quick();
    // An answer may be faster than the kill: then it is tried with another batch.
    let mut batches = 0;
    let mut older = loop {
        let server = setup.start().await;
        let silence = Recording::silence(T0 + i64::try_from(batches).unwrap() * MINUTE);
        let mut older = OlderClient::new(server.client(), &[silence]);
        batches += 1;
        server.kill_at("accept", 1);
        older.upload().await;
        server.wait_killed(PATIENCE).await;
        if older.states() == [Kept] {
            break older;
        }
        assert!(batches < BATCHES, "every answer was faster than the kill");
    };
    let server = setup.start().await;
    older.client = older.client.at(&server.url);
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted], vec![0]));
    assert_eq!(server.client().jobs().await.len(), batches);
    server.folder().until_no_blobs(PATIENCE).await;
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn recordings_of_an_expired_job_are_uploaded_again_and_nothing_is_done_twice() {
    let setup = quick().with("jobs.retention_seconds", 1).with("jobs.expire_after_cleanup_seconds", 0);
    let server = setup.start().await;
    let mut older = OlderClient::new(server.client(), &two());
    older.upload().await;
    let path = format!("/v2/sync-local-files/{}", older.files[0].job_id.as_ref().unwrap());
    eventually("the job is forgotten", PATIENCE, async || {
        (server.client().get(&path).await.status == 404).then_some(())
    })
    .await;
    assert!(older.poll().await, "a lost job is not asked for again");
    assert_eq!((older.states(), older.retries()), (vec![Kept, Kept], vec![0, 0]));
    let before = server.log.steps("transcribe");
    // The job that was created completed may expire before the client asks for it: then the recording is uploaded once
    // more.
    eventually("the recordings are deleted", PATIENCE, async || {
        older.sync().await;
        (older.states() == [Deleted, Deleted]).then_some(())
    })
    .await;
    assert_eq!(server.log.steps("transcribe"), before);
    assert_nothing_lost_or_duplicated("local", &older).await;
}

#[tokio::test]
async fn phone_with_a_new_owner_uploads_for_the_new_owner() {
    let server = Setup::new().start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    let mut older = OlderClient::new(ann.clone(), &two());
    older.upload().await;
    older.client = ben.clone();
    assert!(older.poll().await, "another user's job is a lost one");
    assert_eq!(older.states(), [Kept, Kept]);
    older.sync().await;
    assert_eq!((older.states(), older.retries()), (vec![Deleted, Deleted], vec![0, 0]));
    assert_nothing_lost_or_duplicated("ben", &older).await;
}

#[tokio::test]
async fn too_old_recording_is_reported_as_such() {
    let server = Setup::new().with("limits.recovery_window_seconds", 3600).start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::short(T0)]);
    older.upload().await;
    assert_eq!(older.states(), [TooOld]);
    server.client().assert_empty().await;
    let mut recent = OlderClient::new(server.client(), &[Recording::short(now_secs() - MINUTE)]);
    recent.sync().await;
    assert_eq!(recent.states(), [Deleted]);
    assert_nothing_lost_or_duplicated("local", &recent).await;
}

#[tokio::test]
async fn cancelled_job_is_counted_and_its_files_are_kept() {
    let server = Setup::new().with("engine.null_delay_ms", 600_000).start().await;
    let mut older = OlderClient::new(server.client(), &[Recording::short(T0)]);
    older.upload().await;
    let path = format!("/v2/sync/jobs/{}", older.files[0].job_id.as_ref().unwrap());
    let client = server.client();
    let cancelled: Value = client.send(client.request(reqwest::Method::DELETE, &path)).await.ok();
    assert_eq!(cancelled["status"], "cancelled");
    older.wait().await;
    assert_eq!((older.states(), older.retries()), (vec![Kept], vec![1]));
}
