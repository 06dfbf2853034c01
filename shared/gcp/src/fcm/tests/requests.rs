use domain::ConversationId;
use domain::job::Status;
use flow::effects;
use serde_json::json;
use testkit::{Harness, memory};
use uuid::Uuid;

use super::*;

#[tokio::test]
async fn message_is_data_only_and_wakes_app_on_every_platform() {
    let site = site().await;
    assert_eq!(site.send().await.unwrap(), PushOutcome::Sent);
    let wanted = json!({"message": {
        "token": TOKEN,
        "data": {"job_id": "6f0c", "new_conversation_ids": "", "type": "offline_sync_completed"},
        "android": {"priority": "high", "collapseKey": "sync"},
        "apns": {
            "headers": {"apns-push-type": "background", "apns-priority": "5", "apns-collapse-id": "sync"},
            "payload": {"aps": {"content-available": 1}},
        },
        "webpush": {"headers": {"Urgency": "high", "Topic": "sync"}},
    }});
    assert_eq!(site.service.requests(), [wanted]);
    assert_eq!(site.service.wrong(), [""; 0]);
}

/// The flow shortens what it sends; the service checks the length.
#[tokio::test]
async fn message_of_job_with_many_conversations_is_accepted() {
    let site = site().await;
    let harness = Harness::new(Arc::new(memory::Store::new()));
    let mut job = harness.accept(&uid("ann"), &[testkit::build::phone(0)]).await;
    job.status = Status::Completed;
    let ids = |first| (first..first + 2000).map(|n| ConversationId(Uuid::from_u128(n))).collect();
    (job.new_conversation_ids, job.updated_conversation_ids) = (ids(0), ids(5000));
    assert_eq!(site.fcm.send(&phone(), &effects::message(&job)).await.unwrap(), PushOutcome::Sent);
    assert_eq!(site.service.wrong(), [""; 0]);
    let data = &site.service.requests()[0]["message"]["data"];
    assert_eq!(data["truncated"], "true");
    assert!(data["new_conversation_ids"].as_str().unwrap().len() > 1000);
}

#[tokio::test]
async fn wrong_access_token_does_not_blame_the_device() {
    let service = emulators::fcm::Fcm::start().await;
    let token = Arc::new(GivenToken(SecretString::from("expired")));
    let fcm = Fcm::new(settings(&service.url), token, TestClock::at(T0)).unwrap();
    let PushOutcome::Rejected(why) = fcm.send(&phone(), &finished()).await.unwrap() else { panic!("it is refused") };
    assert!(why.starts_with("401"), "{why}");
}

#[test]
fn settings_that_reach_no_device_are_refused() {
    let refusal = |settings| {
        Fcm::new(settings, given(), TestClock::at(T0)).err().map(|invalid_setting| invalid_setting.to_string())
    };
    assert_eq!(refusal(FcmSettings::new("afterword-prod")), None);
    assert_eq!(refusal(settings("http://127.0.0.1:1/")), None);
    let fit = || FcmSettings::new(PROJECT);
    let cases = [
        (FcmSettings::new(""), "project"),
        (FcmSettings::new("a/b"), "project"),
        (settings(""), "endpoint"),
        // Neither token may be sent unencrypted.
        (settings("http://fcm.example"), "https"),
        (settings("https://ann:pass@fcm.example"), "user"),
        (FcmSettings { total: Duration::ZERO, ..fit() }, "above zero"),
        (FcmSettings { connect: Duration::ZERO, ..fit() }, "above zero"),
    ];
    for (settings, why) in cases {
        let text = refusal(settings).unwrap();
        assert!(text.contains(why) && !text.contains("pass@"), "{text}");
    }
}
