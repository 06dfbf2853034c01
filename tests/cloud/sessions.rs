//! Upload sessions in the cloud: the bytes go from the device directly to storage, past the functions.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use emulators::storage::{Fault, Op};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::skip;
use tests::cloud::Cloud;
use tests::recordings::{T0, numbered};
use tests::resumable::Tally;
use tests::{Answer, Client, Recording, Resumable, eventually};

use crate::journey::cloud;

const WAIT: Duration = tests::wait::PATIENCE;
const OPEN: &str = "/v2/sync/uploads";
const SIZE: usize = 3 << 20;

fn offer(file: &Recording, sha256: &str) -> Value {
    let crc32c = BASE64_STANDARD.encode(crc32c::crc32c(&file.bytes).to_be_bytes());
    json!({"name": file.name, "size": file.bytes.len(), "sha256": sha256, "crc32c": crc32c})
}

fn digest(file: &Recording) -> String {
    hex::encode(Sha256::digest(&file.bytes))
}

async fn open(client: &Client, offer: &Value) -> (String, String) {
    let answer = client.send(client.request(Method::POST, OPEN).json(&json!({"files": [offer]}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&answer.body["job_id"]), text(&answer.body["files"][0]["upload_url"]))
}

async fn complete(client: &Client, job: &str) -> Answer {
    client.send(client.request(Method::POST, &format!("{OPEN}/{job}/complete"))).await
}

fn sender(url: &str, file: &Recording, tally: &Tally) -> Resumable {
    let at = url.find("/upload").expect("an upload URL of Cloud Storage");
    Resumable::new(&url[..at], &url[at..], &file.bytes, tally)
}

#[tokio::test]
async fn file_is_uploaded_directly_to_storage_and_resumed() {
    let cloud = cloud!().with("engine.name", "null");
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    let file = Recording::large(T0, &numbered(SIZE));
    let (job, url) = open(&client, &offer(&file, &digest(&file))).await;
    assert!(url.starts_with(cloud.storage.endpoint()), "the bytes pass no function: {url}");
    let early = complete(&client, &job).await;
    early.problem(409, "upload_incomplete");
    // The app is killed in the middle of the upload, and asks for the session again.
    let tally = Tally::default();
    let mut sending = sender(&url, &file, &tally);
    let _ = tokio::time::timeout(Duration::from_millis(20), sending.send()).await;
    drop(sending);
    assert_eq!(open(&client, &offer(&file, &digest(&file))).await, (job.clone(), url.clone()), "the same session");
    sender(&url, &file, &tally).send().await;
    assert_eq!(complete(&client, &job).await.status, 202);
    assert_eq!(complete(&client, &job).await.status, 202, "harmless when repeated");
    let done = client.terminal(&job).await;
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(cloud.storage.count(Op::Insert), 0, "no function wrote audio");
    assert_eq!((cloud.storage.count(Op::Start), cloud.storage.count(Op::Get)), (1, 1), "as docs/COST.md says");
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
    assert!(!upload.log.text().contains("upload_id"), "an upload URL is a credential");
}

#[tokio::test]
async fn worker_detects_bytes_that_differ_from_the_announced_digest() {
    let cloud = cloud!().with("engine.name", "null");
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    let file = Recording::speech(T0);
    let (job, url) = open(&client, &offer(&file, &"0".repeat(64))).await;
    sender(&url, &file, &Tally::default()).send().await;
    assert_eq!(complete(&client, &job).await.status, 202);
    let done = client.terminal(&job).await;
    assert_eq!((&done["status"], &done["files"][0]["code"]), (&"failed".into(), &"digest_mismatch".into()), "{done}");
    assert_eq!(client.usage().await, (0, 0, 0));
}

#[tokio::test]
async fn cancelled_session_leaves_nothing_in_storage() {
    let cloud = cloud!();
    let upload = cloud.upload().await;
    let client = cloud.client(&upload, "ann");
    let file = Recording::speech(T0);
    let (job, url) = open(&client, &offer(&file, &digest(&file))).await;
    let answer = client.send(client.request(Method::DELETE, &format!("/v2/sync/jobs/{job}"))).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    eventually("the session ended", WAIT, async || {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.put(&url).header("content-range", "bytes */*").body("").send().await.unwrap();
        [404, 410, 499].contains(&asked.status().as_u16()).then_some(())
    })
    .await;
}

/// Ends a session at storage: its address answers 410 from now on.
async fn end_at_storage(url: &str) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.delete(url).header("content-length", "0").send().await.unwrap().status().as_u16(), 499);
}

/// Google looks at the name only when the last byte has arrived.
#[tokio::test]
async fn session_whose_name_is_taken_by_another_object_is_replaced_by_one_that_can_be_completed() {
    let cloud = cloud!().with("engine.name", "null");
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    let file = Recording::speech(T0);
    let offer = offer(&file, &digest(&file));
    let (job, url) = open(&client, &offer).await;
    let name = format!("uploads/ann/{job}/0-{}", file.name);
    cloud.storage.put(&name, &b"other bytes"[..]);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.put(&url).body(file.bytes.clone()).send().await.unwrap().status(), 412);
    complete(&client, &job).await.problem(409, "upload_incomplete");
    let (same, next) = open(&client, &offer).await;
    assert!(same == job && next != url, "the session stays, and its upload is a new one");
    sender(&next, &file, &Tally::default()).send().await;
    assert_eq!(complete(&client, &job).await.status, 202);
    assert_eq!(client.terminal(&job).await["status"], "completed");
    assert!(upload.log.text().contains("an object with other bytes had the name of a file"), "{}", upload.log.tail());
}

#[tokio::test]
async fn session_that_storage_has_ended_is_replaced_and_all_clients_get_the_same_one() {
    let cloud = cloud!().with("engine.name", "null");
    let (upload, process) = (cloud.upload().await, cloud.process().await);
    cloud.deliver_to(&[&process]);
    let client = cloud.client(&upload, "ann");
    let file = Recording::large(T0, &numbered(SIZE));
    let offer = offer(&file, &digest(&file));
    let (job, dead) = open(&client, &offer).await;
    end_at_storage(&dead).await;
    let asked = (0..4).map(|_| {
        let (client, offer) = (client.clone(), offer.clone());
        tokio::spawn(async move { open(&client, &offer).await })
    });
    let mut opened = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        opened.push(asked.await.unwrap());
    }
    let mut last = opened[0].clone();
    assert!(opened.iter().all(|one| *one == last), "all get the same: {opened:?}");
    assert!(last.0 == job && last.1 != dead, "the session stays, and its dead address is given to nobody");
    for status in [404, 499] {
        cloud.storage.order(Op::Query, Fault::Status(status), 1);
        let next = open(&client, &offer).await;
        assert!(next.0 == job && next.1 != last.1, "{status}: it is replaced");
        assert_eq!(open(&client, &offer).await, next, "{status}: and then it stays");
        last = next;
    }
    sender(&last.1, &file, &Tally::default()).send().await;
    assert_eq!(open(&client, &offer).await, last, "a complete file is not replaced");
    assert_eq!(complete(&client, &job).await.status, 202);
    assert_eq!(client.terminal(&job).await["status"], "completed");
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
    assert!(!upload.log.text().contains("upload_id"), "an upload URL is a credential");
}
