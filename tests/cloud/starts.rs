//! What stops a function's start, and what does not.

use afterword_tests::cloud::Cloud;
use afterword_tests::program::run;
use testkit::skip;

use crate::journey::cloud;

#[tokio::test]
async fn what_is_missing_stops_the_start_with_one_line() {
    let said = run("afterword-upload", &[], &[]).await;
    assert_eq!(
        said.refused(),
        "afterword-upload: configuration: cloud.project (environment: GOOGLE_CLOUD_PROJECT) is not set"
    );
    let cloud = cloud!();
    for program in ["afterword-upload", "afterword-process"] {
        let mut env = cloud.env();
        env.retain(|(name, _)| name != "AFTERWORD_TASKS_SECRET");
        let said = run(program, &[], &env).await;
        let line = said.refused();
        assert!(line.contains("tasks.secret (environment: AFTERWORD_TASKS_SECRET) is not set"), "{line}");
    }
}

#[tokio::test]
async fn a_firestore_that_is_down_stops_no_start_and_is_told_by_readyz() {
    let cloud = cloud!();
    let mut env = cloud.env();
    env.retain(|(name, _)| name != "FIRESTORE_EMULATOR_HOST");
    // Nobody listens there.
    env.push(("FIRESTORE_EMULATOR_HOST".to_owned(), "127.0.0.1:9".to_owned()));
    let upload = afterword_tests::function::Function::start("afterword-upload", &env).await;
    let client = cloud.client(&upload, "ann");
    client.get("/healthz").await.ok();
    let answer = client.get("/readyz").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("The job store does not answer."), "{}", answer.text);
    let answer = client.get("/v2/sync/jobs").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
}

#[tokio::test]
async fn doctor_finds_everything_in_order_and_says_what_is_not() {
    let cloud = cloud!();
    for program in ["afterword-upload", "afterword-process"] {
        let said = run(program, &["doctor"], &cloud.env()).await;
        let out = said.ok();
        assert!(out.contains("ok      Firestore") && out.contains("can do all that it needs to"), "{out}");
        assert!(!out.contains("FAILED"), "{out}");
    }
    let mut env = cloud.env();
    env.push(("AFTERWORD_CLOUD_BUCKET".to_owned(), "elsewhere".to_owned()));
    let said = run("afterword-process", &["doctor"], &env).await;
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("FAILED  Cloud Storage: storage.objects.create in bucket elsewhere"), "{}", said.out);
    assert!(said.out.contains("grant roles/storage.objectUser on the bucket elsewhere"), "{}", said.out);
}
