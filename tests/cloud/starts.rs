//! Which faults prevent a function from starting, and which do not.

use testkit::skip;
use tests::cloud::Cloud;
use tests::program::run;

use crate::journey::cloud;

#[tokio::test]
async fn missing_setting_prevents_the_start_with_one_line() {
    let output = run("afterword-upload", &[], &[]).await;
    assert_eq!(
        output.refused(),
        "afterword-upload: configuration: cloud.project (environment: GOOGLE_CLOUD_PROJECT) is not set, such as \
         my-project"
    );
    let cloud = cloud!();
    for program in ["afterword-upload", "afterword-process"] {
        let mut env = cloud.env();
        env.retain(|(name, _)| name != "AFTERWORD_TASKS_SECRET");
        let output = run(program, &[], &env).await;
        let line = output.refused();
        assert!(line.contains("tasks.secret (environment: AFTERWORD_TASKS_SECRET) is not set"), "{line}");
    }
}

#[tokio::test]
async fn start_succeeds_while_firestore_is_down_and_readyz_reports_it() {
    let cloud = cloud!();
    let mut env = cloud.env();
    env.retain(|(name, _)| name != "FIRESTORE_EMULATOR_HOST");
    // Nothing listens at this address.
    env.push(("FIRESTORE_EMULATOR_HOST".to_owned(), "127.0.0.1:9".to_owned()));
    let upload = tests::function::Function::start("afterword-upload", &env).await;
    let client = cloud.client(&upload, "ann");
    client.get("/healthz").await.ok();
    let answer = client.get("/readyz").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("The job store does not answer."), "{}", answer.text);
    let answer = client.get("/v2/sync/jobs").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
}

#[tokio::test]
async fn invalid_setting_is_reported_with_its_variable_and_a_valid_value() {
    let cloud = cloud!();
    for (variable, value, key, example) in [
        ("AFTERWORD_CLOUD_PROCESS_URL", "process.example.com", "cloud.process_url", "https://afterword-process"),
        ("AFTERWORD_CLOUD_QUEUE", "a queue", "cloud.queue and cloud.location", "europe-west1"),
        ("AFTERWORD_CLOUD_TASK_SERVICE_ACCOUNT", "tasks", "cloud.task_service_account", "iam.gserviceaccount.com"),
        ("AFTERWORD_CLOUD_FCM_URL", "fcm", "cloud.fcm_url", "https://fcm.googleapis.com"),
        (
            "AFTERWORD_CLOUD_FIREBASE_KEYS_URL",
            "http://elsewhere/keys",
            "cloud.firebase_keys_url",
            "https://www.googleapis",
        ),
        ("AFTERWORD_CLOUD_GOOGLE_KEYS_URL", "keys", "cloud.google_keys_url", "https://www.googleapis"),
        ("AFTERWORD_QUEUE_DISPATCH_DEADLINE_SECONDS", "9000", "queue.dispatch_deadline_seconds", "1800"),
        ("AFTERWORD_TASKS_SECRET", "short", "tasks.secret", "openssl rand"),
        ("GOOGLE_CLOUD_PROJECT", "my project", "cloud.project", "my-project"),
    ] {
        for arguments in [&[][..], &["doctor"]] {
            let output = run("afterword-upload", arguments, &cloud.env_with(&[(variable, Some(value))])).await;
            let line = output.refused();
            let named = format!("afterword-upload: configuration: {key} (environment: ");
            let (fact, such) = line.split_once("such as ").unwrap_or_else(|| panic!("no example: {line}"));
            assert!(fact.starts_with(&named) && fact.contains(variable) && such.contains(example), "{line}");
        }
    }
    let output = run("afterword-upload", &[], &cloud.env_with(&[("AFTERWORD_CLOUD_CALL_SECONDS", Some("0"))])).await;
    assert_eq!(
        output.refused(),
        "afterword-upload: configuration: AFTERWORD_CLOUD_CALL_SECONDS: cloud.call_seconds must be at least 1, not 0; such \
         as 60"
    );
}

#[tokio::test]
async fn process_function_warns_on_cloud_run_if_the_request_timeout_is_not_set() {
    let cloud = cloud!();
    let warned = async |program: &str, change: &[(&str, Option<&str>)]| {
        let function = tests::function::Function::start(program, &cloud.env_with(change)).await;
        function.log.count(|line| line.text.contains("cloud.request_timeout_seconds is not set"))
    };
    let (run, set) = (("K_SERVICE", Some("afterword")), ("AFTERWORD_CLOUD_REQUEST_TIMEOUT_SECONDS", Some("300")));
    assert_eq!(warned("afterword-process", &[run]).await, 1);
    assert_eq!(warned("afterword-process", &[run, set]).await, 0, "it is what the service has");
    assert_eq!(warned("afterword-process", &[]).await, 0, "no Cloud Run");
    assert_eq!(warned("afterword-upload", &[run]).await, 0, "no deliveries");
}
