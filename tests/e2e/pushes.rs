//! Silent pushes: sent to the devices of the user whose job ended, and to nobody else.

use tests::recordings::T0;
use tests::wait::PATIENCE;
use tests::{Recording, Server, Setup, eventually};

/// The pushes about this job, once its push step is done.
async fn about(server: &Server, job: &serde_json::Value) -> Vec<String> {
    let job_id = job["job_id"].as_str().unwrap();
    server.log.wait_step("push", job_id).await;
    let all = server.folder().pushes();
    all.iter().map(ToString::to_string).filter(|push| push.contains(job_id)).collect()
}

#[tokio::test]
async fn moved_push_token_gets_only_pushes_of_its_new_user() {
    let server = Setup::new().start().await;
    let (ann, ben) = (server.client_of("ann").await, server.client_of("ben").await);
    ann.put_device("anns-phone", "one-token").await;
    let first = ann.done(&[Recording::speech(T0)]).await;
    assert_eq!(about(&server, &first).await.len(), 1);

    ben.put_device("bens-phone", "one-token").await;
    let anns = ann.done(&[Recording::speech(T0 + 1000)]).await;
    let bens = ben.done(&[Recording::speech(T0)]).await;
    assert_eq!(about(&server, &anns).await, [] as [String; 0], "the phone is Ben's now");
    let bens = about(&server, &bens).await;
    assert_eq!(bens.len(), 1);
    assert!(bens[0].contains("bens-phone") && !bens[0].contains("anns-phone"), "{bens:?}");
}

#[tokio::test]
async fn every_device_of_a_user_gets_a_push_and_a_removed_one_does_not() {
    let server = Setup::new().start().await;
    let client = server.client();
    for id in ["phone", "tablet", "watch"] {
        client.put_device(id, &format!("token-of-{id}")).await;
    }
    let gone = client.send(client.request(reqwest::Method::DELETE, "/v2/devices/watch")).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let job = client.done(&[Recording::speech(T0)]).await;
    let pushes = about(&server, &job).await;
    assert_eq!(pushes.len(), 2, "{pushes:?}");
    assert!(!pushes.concat().contains("watch"));
}

#[tokio::test]
async fn push_of_a_failed_job_has_its_code() {
    let server = Setup::new().start().await;
    let client = server.client();
    client.put_device("phone", "token").await;
    let job = client.done(&[Recording::garbage(T0)]).await;
    let pushes = about(&server, &job).await;
    assert_eq!(pushes.len(), 1);
    assert!(pushes[0].contains("offline_sync_failed") && pushes[0].contains("invalid_audio"), "{pushes:?}");
}

/// Push tokens are secrets of the device.
#[tokio::test]
async fn a_push_token_is_in_no_log_line() {
    let server = Setup::new().with("log.level", "debug").start().await;
    let client = server.client();
    client.put_device("phone", "a-token-that-nobody-may-read").await;
    let job = client.done(&[Recording::speech(T0)]).await;
    eventually("the push", PATIENCE, async || (!server.folder().pushes().is_empty()).then_some(())).await;
    about(&server, &job).await;
    assert!(!server.log.text().contains("a-token-that-nobody-may-read"));
    assert!(!server.log.text().contains(&server.token), "nor is the bearer token");
}
