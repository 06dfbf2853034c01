use emulators::receiver::Receiver;
use emulators::tasks::{ISSUER, QUEUE, Tasks};
use flow::ports::{Clock, Queue, TaskIdentity};
use secrecy::SecretString;
use testkit::SeededRandom;
use testkit::build::{job_id, uid};

use super::*;
use crate::tasks::{CloudTasks, CloudTasksSettings, TaskOidc};

const AUDIENCE: &str = "https://process.afterword.test";
const ACCOUNT: &str = "tasks@afterword-prod.iam.gserviceaccount.com";

/// Google's claims for the queue's account.
fn queue_claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "azp": "104029292929",
        "sub": "104029292929",
        "email": ACCOUNT,
        "email_verified": true,
        "iat": NOW - 10,
        "exp": NOW + 3590,
    })
}

fn identity(keys_url: &str, now: i64) -> GoogleTaskIdentity {
    let settings = TaskIdentitySettings::new(AUDIENCE, ["scheduler@x.iam.gserviceaccount.com", ACCOUNT]);
    let settings = TaskIdentitySettings { keys_url: keys_url.to_owned(), ..settings };
    GoogleTaskIdentity::new(settings, TestClock::at(Timestamp::from_secs(now))).unwrap()
}

async fn verdict(identity: &dyn TaskIdentity, token: &str) -> Result<(), String> {
    let verdict = identity.verify(token).await.unwrap();
    verdict.map_err(|denied| denied.detail)
}

#[tokio::test]
async fn only_tokens_of_configured_accounts_are_accepted() {
    let server = KeyServer::start(&[google()]).await;
    let identity = identity(&server.url, NOW);
    let fine =
        [json!({}), json!({"iss": "accounts.google.com"}), json!({"email": "scheduler@x.iam.gserviceaccount.com"})];
    for change in fine {
        assert_eq!(verdict(&identity, &google().sign(&but(queue_claims(), &change))).await, Ok(()), "{change}");
    }
    let wrong = [
        (json!({"iss": "https://accounts.example.com"}), "another issuer"),
        (json!({"iss": format!("https://securetoken.google.com/{PROJECT}")}), "another issuer"),
        (json!({"aud": "https://upload.afterword.test"}), "another audience"),
        (json!({"aud": format!("{AUDIENCE}/")}), "another audience"),
        (json!({"email": "tasks@another.iam.gserviceaccount.com"}), "another account"),
        (json!({"email": null}), "another account"),
        (json!({"email": [ACCOUNT]}), "another account"),
        (json!({"email_verified": false}), "another account"),
        (json!({"email_verified": "true"}), "another account"),
        (json!({"email_verified": null}), "another account"),
        (json!({"exp": NOW}), "expired"),
        (json!({"exp": null}), "does not say when it ends"),
        (json!({"iat": NOW + 61}), "issued in the future"),
        (json!({"nbf": NOW + 61}), "not valid before"),
    ];
    for (change, why) in wrong {
        let detail = verdict(&identity, &google().sign(&but(queue_claims(), &change))).await.unwrap_err();
        assert!(detail.contains(why), "{change}: {detail}");
    }
    let detail = verdict(&identity, &stranger().sign(&queue_claims())).await.unwrap_err();
    assert!(detail.contains("a key that is not Google's"), "{detail}");
    let detail = verdict(&identity, &google().sign(&claims())).await.unwrap_err();
    assert!(detail.contains("another issuer"), "a user's token is no task's: {detail}");
}

#[tokio::test]
async fn concurrent_deliveries_to_cold_instance_are_accepted() {
    let server = KeyServer::start(&[google()]).await;
    let identity = Arc::new(identity(&server.url, NOW));
    let token = Arc::new(google().sign(&queue_claims()));
    let come = |_| {
        let (identity, token) = (identity.clone(), token.clone());
        tokio::spawn(async move { verdict(&*identity, &token).await })
    };
    for one in (0..20).map(come).collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert_eq!(server.requests(), 1);
}

/// A token of a real delivery by the emulator, which has its own signing key.
async fn delivered(emulator: &Tasks, audience: &str) -> (String, i64) {
    // A delivery may fail at first, because the emulator creates its key in the thread of the test.
    let (mut worker, clock) = (Receiver::start().await, TestClock::automatic(Timestamp::from_secs(NOW)));
    let secret = SecretString::from("x".repeat(32));
    let settings = CloudTasksSettings {
        emulator: Some(emulator.endpoint().to_owned()),
        oidc: Some(TaskOidc { service_account: ACCOUNT.to_owned(), audience: audience.to_owned() }),
        ..CloudTasksSettings::new(QUEUE, &worker.url, secret)
    };
    let queue = CloudTasks::new(settings, clock, Arc::new(SeededRandom::new(1))).unwrap();
    queue.enqueue(testkit::build::task(job_id(1), &uid("ann"), 1)).await.unwrap();
    let call = worker.call().await;
    let token = call.header("authorization").strip_prefix("Bearer ").unwrap().to_owned();
    call.answer(200);
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&token).unwrap();
    let issued = claims["iat"].as_i64().unwrap();
    (token, issued)
}

#[tokio::test]
async fn task_emulator_delivery_is_accepted_with_its_own_keys_only() {
    let emulator = Tasks::start().await;
    let (token, issued) = delivered(&emulator, AUDIENCE).await;
    assert_eq!(verdict(&identity(&emulator.keys_url(), issued), &token).await, Ok(()));
    let detail = verdict(&identity(&emulator.keys_url(), issued + 3600), &token).await.unwrap_err();
    assert!(detail.contains("expired"), "{detail}");
    let server = KeyServer::start(&[google()]).await;
    let detail = verdict(&identity(&server.url, issued), &token).await.unwrap_err();
    assert!(detail.contains("a key that is not Google's"), "{detail}");
    let (token, issued) = delivered(&Tasks::start_as("https://tasks.example").await, AUDIENCE).await;
    let detail = verdict(&identity(&server.url, issued), &token).await.unwrap_err();
    assert!(detail.contains("a key that is not Google's"), "{detail}");
}

#[tokio::test]
async fn valid_signature_with_other_issuer_or_audience_is_refused() {
    let emulator = Tasks::start_as("https://tasks.example").await;
    let (token, issued) = delivered(&emulator, AUDIENCE).await;
    let detail = verdict(&identity(&emulator.keys_url(), issued), &token).await.unwrap_err();
    assert_eq!(detail, "the token is from another issuer");
    let emulator = Tasks::start().await;
    let (token, issued) = delivered(&emulator, "https://elsewhere").await;
    let detail = verdict(&identity(&emulator.keys_url(), issued), &token).await.unwrap_err();
    assert_eq!(detail, "the token is for another audience");
}

/// A task's token is not a user's, even if its keys were accepted and its audience is the project.
#[tokio::test]
async fn task_token_is_not_accepted_as_user_token() {
    let emulator = Tasks::start().await;
    let (token, issued) = delivered(&emulator, PROJECT).await;
    let site = site_with(|settings| settings.keys_url = emulator.keys_url()).await;
    site.clock.set(Timestamp::from_secs(issued));
    assert_eq!(site.clock.now(), Timestamp::from_secs(issued));
    assert_eq!(site.verify(&token).await.unwrap_err(), "the token is from another issuer");
}

#[test]
fn settings_that_would_accept_anybody_are_refused() {
    let none: [&str; 0] = [];
    for (settings, setting) in [
        (TaskIdentitySettings::new("", [ACCOUNT]), "audience"),
        (TaskIdentitySettings::new(AUDIENCE, none), "service_accounts"),
        (TaskIdentitySettings::new(AUDIENCE, [""]), "service_accounts"),
    ] {
        let invalid_setting =
            GoogleTaskIdentity::new(settings, TestClock::at(Timestamp::from_secs(NOW))).err().unwrap();
        assert!(invalid_setting.to_string().contains(setting), "{invalid_setting}");
    }
}
