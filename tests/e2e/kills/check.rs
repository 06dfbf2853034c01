//! What must be true after all kills: every accepted job is complete, and everything happened once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tests::client::is_terminal;
use tests::{Server, eventually};

use super::fleet::{Fleet, User};

pub async fn everything(fleet: &Fleet, server: &Server, limit: Duration) {
    for user in &fleet.users {
        let jobs = ended_jobs(user, limit).await;
        assert_each_batch_is_one_complete_job(user, &jobs);
        assert_each_segment_placed_and_counted_once(user, &jobs).await;
    }
    server.folder().until_no_blobs(limit).await;
    assert_each_job_was_pushed(fleet, server, limit).await;
}

async fn ended_jobs(user: &User, limit: Duration) -> Vec<Value> {
    eventually(&format!("every job of {} is terminal", user.uid), limit, async || {
        let jobs = user.client.jobs().await;
        jobs.iter().all(is_terminal).then_some(jobs)
    })
    .await
}

fn assert_each_batch_is_one_complete_job(user: &User, jobs: &[Value]) {
    for job in jobs {
        assert_eq!((&job["status"], &job["error"]), (&"completed".into(), &Value::Null), "{}: {job}", user.uid);
    }
    let known: BTreeSet<&str> = jobs.iter().map(|job| job["job_id"].as_str().unwrap()).collect();
    let accepted: BTreeSet<&str> = user.batches.iter().filter_map(|batch| batch.job_id.as_deref()).collect();
    assert_eq!(accepted.len(), user.batches.len(), "{}: two batches share a job", user.uid);
    assert_eq!(known, accepted, "{}: existing jobs and accepted jobs differ", user.uid);
}

async fn assert_each_segment_placed_and_counted_once(user: &User, jobs: &[Value]) {
    let sum = |field: &str| jobs.iter().map(|job| job["result"][field].as_u64().unwrap()).sum::<u64>();
    let conversations = user.client.conversations().await;
    let placed: Vec<&Value> = conversations.iter().flat_map(|one| one["segments"].as_array().unwrap()).collect();
    let ids: BTreeSet<&str> = placed.iter().map(|segment| segment["id"].as_str().unwrap()).collect();
    let recordings: BTreeSet<&str> = placed.iter().map(|segment| segment["recording_id"].as_str().unwrap()).collect();
    let words: u64 = placed.iter().map(|s| s["text"].as_str().unwrap().split_whitespace().count() as u64).sum();
    let uid = &user.uid;
    assert_eq!((ids.len(), placed.len() as u64), (placed.len(), sum("total_segments")), "{uid}: segments");
    assert_eq!(recordings.len(), user.recordings(), "{uid}: recordings with text");
    assert_eq!(conversations.len(), user.conversations(), "{uid}: conversations");
    let usage = (placed.len() as u64, words, sum("transcribed_ms"));
    assert_eq!(user.client.usage().await, usage, "{uid}: usage equals the sum of the placed segments");
}

/// A push is sent at least once: a device recognises a repetition by job and time.
async fn assert_each_job_was_pushed(fleet: &Fleet, server: &Server, limit: Duration) {
    eventually("every job was pushed", limit, async || {
        let pushes: Vec<String> = server.folder().pushes().iter().map(ToString::to_string).collect();
        let all = pushes.join("\n");
        let jobs = || fleet.users.iter().flat_map(|user| &user.batches).filter_map(|batch| batch.job_id.as_deref());
        jobs().all(|job_id| all.contains(job_id)).then_some(())
    })
    .await;
}
