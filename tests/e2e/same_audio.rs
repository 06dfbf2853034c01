//! The same audio again: in parallel, in other batches, after the end. It is transcribed, placed and counted once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;
use tests::recordings::T0;
use tests::{Answer, Client, Recording, Server, Setup};

/// Slow enough that the copies arrive while the first one is processed.
const DELAY_MS: u64 = 300;
const COPIES: usize = 8;

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.body["job_id"].as_str().unwrap().to_owned()
}

/// Uploads, waits for the end of the job, and until all its steps are in the log.
async fn done(server: &Server, files: &[Recording]) -> Value {
    let job = server.client().done(files).await;
    server.log.wait_step("clean_up", job["job_id"].as_str().unwrap()).await;
    job
}

/// Checks that each segment was transcribed, placed and counted once.
async fn assert_done_once(server: &Server, client: &Client, segments: u64) {
    let placed = client.segments().await;
    let ids: BTreeSet<_> = placed.iter().map(|segment| segment["id"].as_str().unwrap()).collect();
    assert_eq!((ids.len() as u64, placed.len() as u64), (segments, segments), "{placed:?}");
    let (counted, words, _) = client.usage().await;
    let spoken: usize = placed.iter().map(|s| s["text"].as_str().unwrap().split_whitespace().count()).sum();
    assert_eq!((counted, words), (segments, spoken as u64));
    server.folder().until_no_blobs(tests::wait::PATIENCE).await;
}

#[tokio::test]
async fn upload_repeated_eight_times_in_parallel_and_once_later_is_one_job_and_one_run() {
    let server = Setup::new().with("engine.null_delay_ms", DELAY_MS).start().await;
    let client = server.client();
    let files = [Recording::speech(T0)];
    let answers = join_all((0..COPIES).map(|_| client.upload(&files))).await;
    let ids: BTreeSet<String> = answers.iter().map(id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let first = answers.iter().filter(|answer| answer.body["deduplicated"] == false).count();
    assert_eq!(first, 1, "one made the job, the others found it");
    let job_id = ids.first().unwrap();
    let job = client.terminal(job_id).await;
    assert_eq!(job["status"], "completed", "{job}");
    server.log.wait_step("clean_up", job_id).await;

    let again = client.upload(&files).await;
    assert_eq!((&id(&again), &again.body["deduplicated"]), (job_id, &true.into()));
    assert_eq!(again.body["status"], "completed");
    assert_eq!(client.jobs().await.len(), 1);
    assert_eq!(server.log.steps("claim"), 1);
    assert_eq!(server.log.steps("transcribe"), 1);
    assert_done_once(&server, &client, job["total_segments"].as_u64().unwrap()).await;
}

/// Two batches with one shared recording, and one of their own each.
fn overlapping() -> [Vec<Recording>; 2] {
    let shared = Recording::speech(T0);
    [vec![shared.clone(), Recording::short(T0 + 1000)], vec![Recording::short(T0 + 2000), shared]]
}

#[tokio::test]
async fn recording_in_two_concurrent_batches_has_one_transcript() {
    let server = Setup::new().with("engine.null_delay_ms", DELAY_MS).start().await;
    let client = server.client();
    let batches = overlapping();
    let ids = join_all(batches.iter().map(|files| client.accepted(files))).await;
    assert_ne!(ids[0], ids[1]);
    for job_id in &ids {
        let job = client.terminal(job_id).await;
        assert_eq!(job["status"], "completed", "{job}");
    }
    assert_done_once(&server, &client, distinct_segments(&client).await).await;
}

#[tokio::test]
async fn a_recording_in_a_later_batch_is_finished_from_the_start() {
    let server = Setup::new().start().await;
    let client = server.client();
    let [first, second] = overlapping();
    done(&server, &first).await;
    let calls = server.log.steps("transcribe");
    let job = done(&server, &second).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(server.log.steps("transcribe"), calls + 1, "only the new recording is transcribed");
    assert_done_once(&server, &client, distinct_segments(&client).await).await;
}

#[tokio::test]
async fn new_batches_of_known_recordings_start_no_work() {
    let server = Setup::new().start().await;
    let client = server.client();
    let [first, second] = overlapping();
    done(&server, &first).await;
    done(&server, &second).await;
    let before = (server.log.steps("claim"), server.log.steps("transcribe"), client.usage().await);
    let cut_anew = [first[1].clone(), second[0].clone()];
    let answer = client.upload(&cut_anew).await;
    assert_eq!(
        (&answer.body["status"], &answer.body["deduplicated"]),
        (&"completed".into(), &true.into()),
        "{answer:?}"
    );
    let job = client.job(&id(&answer)).await;
    assert_eq!((&job["status"], &job["error"]), (&"completed".into(), &Value::Null), "{job}");
    assert_eq!(before, (server.log.steps("claim"), server.log.steps("transcribe"), client.usage().await));
    server.folder().until_no_blobs(tests::wait::PATIENCE).await;
}

/// The same bytes and name of another user are another recording.
#[tokio::test]
async fn users_do_not_share_recordings() {
    let server = Setup::new().start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    let files = [Recording::speech(T0)];
    let (one, other) = (ann.done(&files).await, ben.done(&files).await);
    assert_ne!(one["job_id"], other["job_id"]);
    assert_eq!(ann.usage().await, ben.usage().await);
    assert_ne!(ann.segments().await[0]["id"], ben.segments().await[0]["id"]);
}

/// The number of distinct segments: a recording shared by two jobs counts once.
async fn distinct_segments(client: &Client) -> u64 {
    let jobs = client.jobs().await;
    let files = jobs.iter().flat_map(|job| job["files"].as_array().unwrap());
    let by_name: BTreeSet<_> = files.map(|f| (f["name"].as_str().unwrap(), f["segments"].as_u64().unwrap())).collect();
    by_name.iter().map(|(_, segments)| segments).sum()
}
