//! Both functions on AWS Lambda, over a third-party emulator.

use testkit::skip;
use tests::cloud::Cloud;
use tests::lambda::Lambda;
use tests::recordings::T0;
use tests::{Recording, eventually};

use crate::journey::cloud;

const WAIT: std::time::Duration = tests::wait::PATIENCE;

macro_rules! lambda {
    ($cloud:expr, $program:expr) => {
        match Lambda::start($program, &$cloud.env()).await {
            Ok(lambda) => lambda,
            Err(why) => skip!(why),
        }
    };
}

#[tokio::test]
async fn both_functions_run_on_lambda_with_binary_bodies() {
    let cloud = cloud!();
    let (upload, process) = (lambda!(cloud, "afterword-upload"), lambda!(cloud, "afterword-process"));
    cloud.process_url.targets([process.url.clone()]);
    let client = cloud.client_at(&upload.url, "ann");
    // Opus frames are not text: they arrive intact only if the event carries them in base64.
    let recording = Recording::opus(T0);
    let job = client.done(&[recording]).await;
    assert_eq!(job["status"], "completed", "{job}");
    let segments = client.segments().await;
    assert!(segments[0]["text"].as_str().unwrap().contains("young man"), "{segments:?}");
    eventually("the blobs are gone", WAIT, async || cloud.storage.names().is_empty().then_some(())).await;
    let id = job["job_id"].as_str().unwrap();
    client.get(&format!("/v2/sync/status?job_id={id}")).await.ok();
    client.get("/v2/sync/jobs/11111111-1111-4111-8111-111111111111").await.problem(404, "job_not_found");
    // Lambda buffers an answer until its end, so a stream of events ends at once.
    let events = client.get("/v2/sync/events").await;
    assert_eq!(events.status, 200);
    assert!(events.text.starts_with("retry: 3000") && events.text.contains(id), "{}", events.text);
}

#[tokio::test]
async fn lambda_body_limit_is_announced_and_enforced() {
    let cloud = cloud!();
    let upload = lambda!(cloud, "afterword-upload");
    let client = cloud.client_at(&upload.url, "ann");
    let limits = client.get("/v2/limits").await.ok();
    let most = limits["upload"]["max_file_bytes"].as_u64().unwrap();
    assert!(most < 4_500_000, "{limits}");
    assert!(limits["upload"]["resumable_max_file_bytes"].as_u64().unwrap() > 200 << 20, "{limits}");
    let mut recording = Recording::speech(T0);
    recording.bytes = recording.bytes.repeat(50)[..most as usize + 324].to_vec().into();
    let answer = client.upload(&[recording]).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    assert_eq!(answer.bad_files(), [("audio_phone_pcm16_16000_1_fs160_1748300000.bin", "file_too_large")]);
    assert!(cloud.storage.names().is_empty());
}
