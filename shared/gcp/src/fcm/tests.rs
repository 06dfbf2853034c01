//! Tests the contract, every field of a message, and everything that FCM may answer.

mod contract;
mod credentials;
mod outcomes;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use emulators::fcm::{ACCESS_TOKEN, PROJECT};
use flow::ports::{Device, Push, PushMessage, PushOutcome};
use flow::{Error, Kind, Result};
use secrecy::SecretString;
use testkit::TestClock;
use testkit::build::{T0, device, message, uid};

use super::{AccessToken, Fcm, FcmSettings, GivenToken};

/// A token as long as a real one, which can be recognised by its beginning wherever it appears.
const TOKEN: &str =
    "fGx1-device-token:APA91bH0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

fn settings(url: &str) -> FcmSettings {
    FcmSettings { endpoint: url.to_owned(), ..FcmSettings::new(PROJECT) }
}

fn given() -> Arc<dyn AccessToken> {
    Arc::new(GivenToken(SecretString::from(ACCESS_TOKEN)))
}

fn open(settings: FcmSettings) -> Fcm {
    Fcm::new(settings, given(), TestClock::at(T0)).unwrap()
}

fn phone() -> Device {
    device(&uid("ann"), "phone", TOKEN)
}

fn finished() -> PushMessage {
    message(&[("type", "offline_sync_completed"), ("job_id", "6f0c"), ("new_conversation_ids", "")])
}

/// The fake service, and the adapter that uses it.
struct Site {
    service: emulators::fcm::Fcm,
    fcm: Fcm,
}

async fn site() -> Site {
    let service = emulators::fcm::Fcm::start().await;
    let fcm = open(settings(&service.url));
    Site { service, fcm }
}

impl Site {
    async fn send(&self) -> Result<PushOutcome> {
        self.fcm.send(&phone(), &finished()).await
    }
}

fn is_silent_about_secrets(text: &str) {
    assert!(!text.contains("APA91bH") && !text.contains(ACCESS_TOKEN), "{text}");
}

fn kind(error: &Error) -> Kind {
    is_silent_about_secrets(&format!("{error} {error:?}"));
    assert_eq!((error.operation, error.subject.as_str()), ("push.send", "phone"));
    error.kind
}
