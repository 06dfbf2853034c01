use super::*;
use crate::tasks::TaskOidc;

fn fit() -> CloudTasksSettings {
    CloudTasksSettings::new(QUEUE, "https://process.test", SecretString::from(SECRET))
}

fn refusal(settings: CloudTasksSettings) -> String {
    CloudTasks::new(settings, TestClock::at(wall()), Arc::new(SeededRandom::new(1))).err().unwrap().to_string()
}

#[test]
fn settings_that_never_deliver_are_refused() {
    assert!(CloudTasks::new(fit(), TestClock::at(wall()), Arc::new(SeededRandom::new(1))).is_ok());
    for queue in [
        "",
        "afterword",
        "projects/p/locations/l/queues/",
        "projects/p/locations/l/queues/q/x",
        "projects/p/x/l/queues/q",
    ] {
        assert!(refusal(CloudTasksSettings { queue: queue.to_owned(), ..fit() }).contains("`queue`"));
    }
    for url in [
        "",
        "process.test",
        "ftp://x",
        "https://ann:pass@x",
        "https://x/?a=b",
        "https://x/#y",
        "https://x/v2/sync/process",
        "http://process.test",
        "http://10.0.0.1",
        "http://127.0.0.1.example",
        &"x".repeat(3000),
    ] {
        let text = refusal(CloudTasksSettings { process_url: url.to_owned(), ..fit() });
        assert!(text.contains("`process_url`") && !text.contains("pass@"), "{text}");
    }
    for url in ["http://127.0.0.1:8080", "http://[::1]:8080/", "http://localhost", "https://process.test/"] {
        let settings = CloudTasksSettings { process_url: url.to_owned(), ..fit() };
        assert!(CloudTasks::new(settings, TestClock::at(wall()), Arc::new(SeededRandom::new(1))).is_ok(), "{url}");
    }
    let oidc = |account: &str, audience: &str| {
        Some(TaskOidc { service_account: account.to_owned(), audience: audience.to_owned() })
    };
    let cases = [
        (CloudTasksSettings { oidc: oidc("ann", "x"), ..fit() }, "service_account"),
        (CloudTasksSettings { oidc: oidc("a@b", ""), ..fit() }, "audience"),
        // A token must not be sent unencrypted.
        (CloudTasksSettings { oidc: oidc("a@b", "x"), process_url: "http://x".to_owned(), ..fit() }, "https"),
        (CloudTasksSettings { secret: SecretString::from("a\nb"), ..fit() }, "secret"),
        (CloudTasksSettings { secret: SecretString::from(""), ..fit() }, "secret"),
        (CloudTasksSettings { dispatch_deadline: Duration::from_millis(14_999), ..fit() }, "dispatch_deadline"),
        (CloudTasksSettings { dispatch_deadline: Duration::from_secs(1801), ..fit() }, "dispatch_deadline"),
        (CloudTasksSettings { attempt: Duration::ZERO, ..fit() }, "deadline"),
        (CloudTasksSettings { attempt: Duration::from_secs(60), ..fit() }, "deadline"),
    ];
    for (settings, why) in cases {
        let text = refusal(settings);
        assert!(text.starts_with("the setting `") && text.contains(why), "{text}");
    }
}

#[test]
fn secret_is_in_no_debug_output() {
    assert!(!format!("{:?}", fit()).contains(SECRET));
    let broken = CloudTasksSettings { secret: SecretString::from(format!("{SECRET}\n")), ..fit() };
    assert!(!refusal(broken).contains(SECRET));
}
